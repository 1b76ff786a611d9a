"""Who is on call, which incidents are open, and who is away: told by the tools that know it, in messages that can be sent again."""

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from actions.errors import BadParams, NotFound
from approvals import absences
from inventory import incidents, on_call
from inventory.incidents import Report
from inventory.models import Team
from inventory.on_call import Planned
from inventory.queries import accounts_of, colleagues_of, teams_visible_to
from portal.api.bodies import read
from portal.api.duty import AbsenceBody, IncidentBody, ScheduleBody
from portal.api.paging import PageQuery, moment_in, page_of, read_query
from portal.api.serializers.base import listing
from portal.api.serializers.duty import AbsenceSerializer, IncidentSerializer, ScheduleSerializer
from portal.models import Scope
from portal.refusals import as_the_gate_says

from .endpoint import Endpoint


class Schedule(Endpoint):
    http_method_names = ["get", "put", "head"]
    scopes = {"GET": Scope.READ, "PUT": Scope.DUTY}

    @extend_schema(operation_id="getSchedule", responses=ScheduleSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """The shifts of a team that are not over, and who is on call now."""
        return self._answer(self._team(slug))

    @extend_schema(operation_id="setSchedule", request=ScheduleBody, responses=ScheduleSerializer)
    def put(self, request: Request, slug: str) -> Response:
        """Make them these. Send all that are not over: one that is left out ends now. The same again changes nothing."""
        team, body = self._team(slug), read(ScheduleBody, request)
        with as_the_gate_says():
            on_call.require_planner(self.person, team)
        people = {each.username: each for each in on_call.belonging([team])[team.pk]}
        if unknown := sorted({each.person for each in body.shifts} - people.keys()):
            raise BadParams({"shifts": [f"Nobody called {unknown[0][:150]} belongs to team {team.slug}."]})
        wanted = [Planned(people[each.person], each.starts_at, each.ends_at) for each in body.shifts]
        with as_the_gate_says():
            on_call.set_shifts(actor=self.person, team=team, wanted=wanted, now=timezone.now())
        return self._answer(team)

    def _team(self, slug: str) -> Team:
        team = teams_visible_to(self.person).filter(slug=slug).first()
        if team is None:
            raise NotFound("There is no such team, or you may not see it.")
        return team

    def _answer(self, team: Team) -> Response:
        now = timezone.now()
        found = {"team": team, "now": on_call.on_call_now(team, now), "shifts": on_call.shifts_from([team], now)}
        return Response(ScheduleSerializer(found).data)


class IncidentQuery(PageQuery):
    open = serializers.BooleanField(
        required=False, default=True, help_text="Those that are, or with false those that were"
    )


class Incidents(Endpoint):
    @extend_schema(
        operation_id="listIncidents", parameters=[IncidentQuery], responses=listing("Incident", IncidentSerializer)
    )
    def get(self, request: Request) -> Response:
        """Newest first, of services that one sees."""
        query = read_query(IncidentQuery, request)
        rows = incidents.incidents_visible_to(self.person).filter(closed_at__isnull=query["open"])
        if before := moment_in("incidents", query):
            rows = incidents.before(rows, before)
        found = list(rows[: query["limit"] + 1])
        page = page_of("incidents", found, query, lambda row: [row.opened_at.isoformat(), row.pk])
        return Response({"items": IncidentSerializer(page.items, many=True).data, "next": page.next})


class IncidentDetail(Endpoint):
    http_method_names = ["put"]
    scopes = {"PUT": Scope.DUTY}

    @extend_schema(
        operation_id="reportIncident",
        request=IncidentBody,
        responses={200: IncidentSerializer, 201: IncidentSerializer},
    )
    def put(self, request: Request, reference: str) -> Response:
        """Open it, or bring it up to date. It is known by its reference, so the same message twice is one incident."""
        body = read(IncidentBody, request)
        told = Report(reference, body.title, tuple(body.services), body.url, body.opened_at)
        with as_the_gate_says():
            incident, new = incidents.report(actor=self.person, told=told, now=timezone.now())
        answer = IncidentSerializer(incident).data
        return Response(answer, status=status.HTTP_201_CREATED if new else status.HTTP_200_OK)


class IncidentEnd(Endpoint):
    http_method_names = ["post"]
    scopes = {"POST": Scope.DUTY}

    @extend_schema(operation_id="closeIncident", request=None, responses={200: IncidentSerializer})
    def post(self, request: Request, reference: str) -> Response:
        """It is over. A second time changes nothing."""
        with as_the_gate_says():
            incident = incidents.close(actor=self.person, reference=reference, now=timezone.now())
        return Response(IncidentSerializer(incident).data)


class Absences(Endpoint):
    scopes = {"GET": Scope.READ, "POST": Scope.APPROVE}

    @extend_schema(operation_id="listAbsences", responses=AbsenceSerializer(many=True))
    def get(self, request: Request) -> Response:
        """One's own that are not over."""
        rows = absences.absences_of(accounts_of(self.person), timezone.now())
        return Response(AbsenceSerializer(rows, many=True).data)

    @extend_schema(operation_id="announceAbsence", request=AbsenceBody, responses={201: AbsenceSerializer})
    def post(self, request: Request) -> Response:
        """Be away, and have somebody decide in one's place."""
        body, now, stand_in = read(AbsenceBody, request), timezone.now(), None
        if body.stand_in:
            stand_in = next((each for each in colleagues_of(self.person) if each.username == body.stand_in), None)
            if stand_in is None:
                raise BadParams({"stand_in": ["Nobody by this name shares a team or group with you."]})
        with as_the_gate_says():
            absence = absences.announce(
                actor=self.person, starts_at=body.starts_at or now, ends_at=body.ends_at, stand_in=stand_in,
                note=body.note, now=now,
            )  # fmt: skip
        return Response(AbsenceSerializer(absence).data, status=status.HTTP_201_CREATED)


class AbsenceDetail(Endpoint):
    http_method_names = ["delete"]
    scopes = {"DELETE": Scope.APPROVE}

    @extend_schema(operation_id="endAbsence", responses={200: AbsenceSerializer})
    def delete(self, request: Request, pk: int) -> Response:
        """Be back before the time. It stays on the record."""
        mine = accounts_of(self.person)
        with as_the_gate_says():
            absence = absences.end(actor=self.person, person_ids=mine, absence_id=pk, now=timezone.now())
        return Response(AbsenceSerializer(absence).data)
