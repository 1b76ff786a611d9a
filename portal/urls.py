"""Every address, one line for each module of pages; a module says its own addresses in `urlpatterns`.

Names other modules rely on: home, services, service (slug), action (slug, action id; `portal.web.goals.address_of` makes it), requests,
request (id), queue, access, on-call, absence, insights, policy, audit, sign-in, sign-out, profile,
tokens, theme, palette, live, healthz, readyz.
"""

from django.urls import include, path

handler400 = "portal.web.errors.bad_request"
handler403 = "portal.web.errors.forbidden"
handler404 = "portal.web.errors.not_found"
handler500 = "portal.web.errors.server_error"

urlpatterns = [
    path("", include("portal.web.home")),
    path("", include("portal.web.services")),
    path("", include("portal.web.suspended")),
    path("", include("portal.web.chain")),  # before the form that fits any action
    path("", include("portal.web.action")),
    path("", include("portal.web.offers")),
    path("", include("portal.web.requests")),
    path("", include("portal.web.proposals")),
    path("", include("portal.web.supply")),
    path("", include("portal.web.queue")),
    path("", include("portal.web.alike")),
    path("", include("portal.web.decided")),
    path("", include("portal.web.access")),
    path("", include("portal.web.nodes")),
    path("", include("portal.web.run_logs")),
    path("", include("portal.web.audit")),
    path("", include("portal.web.palette")),
    path("", include("portal.web.profile")),
    path("", include("portal.web.tokens")),
    path("", include("portal.web.notices")),
    path("", include("portal.web.notice_settings")),
    path("", include("portal.web.slack")),
    path("", include("portal.web.absence")),
    path("", include("portal.web.on_call")),
    path("", include("portal.web.incidents")),
    path("", include("portal.web.insights")),
    path("", include("portal.web.policy")),
    path("", include("portal.web.policy_replay")),
    path("", include("portal.web.policy_simulate")),
    path("", include("portal.web.signin")),
    path("", include("portal.web.live")),
    path("", include("portal.web.health")),
    path("api/", include("portal.api.urls")),
]
