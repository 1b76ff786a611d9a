"""Every address below /api/. What is not here is answered by `NoSuchEndpoint`, as a problem and not as a page."""

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from actions.registry import all_actions

from . import schema
from .views import (
    account,
    actions,
    alike,
    audit,
    duty,
    grants,
    insights,
    inventory,
    logs,
    nodes,
    notices,
    policy,
    requests,
)
from .views.description import Description
from .views.endpoint import NoSuchEndpoint


class NameConverter(StringConverter):
    """What labels and action ids can be made of; nothing else reaches a query."""

    regex = "[A-Za-z0-9][A-Za-z0-9._-]{0,252}"


class AnythingConverter(StringConverter):
    regex = r"[\s\S]*"


register_converter(NameConverter, "name")
register_converter(AnythingConverter, "anything")

urlpatterns = [
    path("me", account.Me.as_view()),
    path("tokens", account.Tokens.as_view()),
    path("tokens/<int:pk>", account.TokenDetail.as_view()),
    path("environments", inventory.Environments.as_view()),
    path("clusters", inventory.Clusters.as_view()),
    path("services", inventory.Services.as_view()),
    path("services/<name:slug>", inventory.ServiceDetail.as_view()),
    path("workloads", inventory.Workloads.as_view()),
    path("workloads/<int:workload>", inventory.WorkloadDetail.as_view()),
    path("workloads/<int:workload>/series", inventory.SeriesDetail.as_view()),
    path("workloads/<int:workload>/offers", inventory.Offers.as_view()),
    path("nodes", nodes.Nodes.as_view()),
    path("nodes/<int:node>", nodes.NodeDetail.as_view()),
    path("nodes/<int:node>/offers", nodes.NodeOffers.as_view()),
    path("actions", actions.Actions.as_view()),
    path("actions/<name:action>", actions.ActionDetail.as_view()),
    *(
        path(f"actions/{action.id}/preview", actions.preview_of(action).as_view(), {"action": action.id})
        for action in all_actions()
    ),
    path("actions/<name:action>/preview", actions.Preview.as_view()),
    path("actions/<name:action>/less", actions.Less.as_view()),
    path("requests", requests.Requests.as_view()),
    path("requests/<int:pk>", requests.RequestDetail.as_view(), name="api-request"),
    path("requests/<int:pk>/logs", logs.Logs.as_view()),
    path("requests/<int:pk>/votes", requests.Votes.as_view()),
    path("requests/<int:pk>/claim", requests.Claim.as_view()),
    path("requests/<int:pk>/release", requests.Release.as_view()),
    path("requests/<int:pk>/proposals", requests.Proposals.as_view()),
    path("requests/<int:pk>/proposals/<int:proposal>/confirm", requests.Confirmation.as_view()),
    path("requests/<int:pk>/proposals/<int:proposal>/decline", requests.Declination.as_view()),
    path("requests/<int:pk>/withdraw", requests.Withdrawal.as_view()),
    path("requests/<int:pk>/cancel", requests.Cancellation.as_view()),
    path("requests/<int:pk>/undo", requests.Undo.as_view()),
    path("requests/<int:pk>/undo/preview", requests.UndoPreview.as_view()),
    path("requests/<int:pk>/review", requests.Review.as_view()),
    path("requests/<int:pk>/resolve", requests.Resolution.as_view()),
    path("requests/<int:pk>/start", requests.Start.as_view()),
    path("requests/<int:pk>/start-now", requests.StartNow.as_view()),
    path("approvals", requests.Approvals.as_view()),
    path("approvals/alike/<name:shape>", alike.Alike.as_view()),
    path("grants", grants.Grants.as_view()),
    path("grants/<int:pk>", grants.GrantDetail.as_view()),
    path("grants/<int:pk>/credential", grants.Credential.as_view()),
    path("grants/<int:pk>/give-back", grants.GivingBack.as_view()),
    path("teams/<name:slug>/shifts", duty.Schedule.as_view()),
    path("incidents", duty.Incidents.as_view()),
    path("incidents/<name:reference>", duty.IncidentDetail.as_view()),
    path("incidents/<name:reference>/close", duty.IncidentEnd.as_view()),
    path("absences", duty.Absences.as_view()),
    path("absences/<int:pk>", duty.AbsenceDetail.as_view()),
    path("notices", notices.Notices.as_view()),
    path("notices/read", notices.NoticesRead.as_view()),
    path("notices/preferences", notices.Preferences.as_view()),
    path("insights/gates", insights.Gates.as_view()),
    path("policy", policy.Policy.as_view()),
    path("policy/versions/<name:digest>/votes", policy.PolicyVotes.as_view()),
    path("policy/replay", policy.PolicyReplay.as_view()),
    path("policy/simulate", policy.PolicySimulation.as_view()),
    path("audit/events", audit.Events.as_view()),
    path("audit/events.csv", audit.CsvExport.as_view()),
    path("audit/events.jsonl", audit.JsonLinesExport.as_view()),
    path("schema", Description.as_view()),
    path("<anything:rest>", NoSuchEndpoint.as_view()),
]
__all__ = ["schema", "urlpatterns"]
