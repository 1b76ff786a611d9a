"""The policy by machine: what decides, agreeing to another one, and what another one, or somebody else's asking, would come to."""

from datetime import timedelta

from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from actions import policies, queries
from actions.errors import BadParams, NotFound
from actions.replaying import MOST_REQUESTS, SECONDS, replay
from actions.simulating import simulate
from approvals import loader
from approvals.models import PolicyVersion
from approvals.reading import BadPolicy
from inventory.models import Person
from portal.api.bodies import VoteBody, read
from portal.api.policy import ReplayBody, SimulationBody
from portal.api.serializers.plans import PreviewSerializer
from portal.api.serializers.policy import PolicySerializer, ReplaySerializer, VersionSerializer
from portal.models import Scope

from .endpoint import Endpoint

ENTRANCE = "api"
MOST_VERSIONS = 50


class Policy(Endpoint):
    @extend_schema(operation_id="getPolicy", responses=PolicySerializer)
    def get(self, request: Request) -> Response:
        """What decides now, rule by rule, and the versions that there were, newest first."""
        present = policies.current_policy()
        versions = PolicyVersion.objects.defer("files")[:MOST_VERSIONS]
        found = {
            "digest": present.digest, "rules": present.rules, "versions": versions,
            "agreeing": settings.CONFIGURATION.policy_approvals,
        }  # fmt: skip
        return Response(PolicySerializer(found).data)


class PolicyVotes(Endpoint):
    scopes = {"POST": Scope.APPROVE}

    @extend_schema(operation_id="voteOnPolicy", request=VoteBody, responses={201: VersionSerializer})
    def post(self, request: Request, digest: str) -> Response:
        """Agree to a proposed policy, or refuse it. Only administrators can."""
        body = read(VoteBody, request)
        version = PolicyVersion.objects.select_related("round").filter(digest=digest).first()
        if version is None:
            raise NotFound("No such policy was ever read.")
        policies.decide(
            actor=self.person, version=version, approve=body.decision == "approve", digest=body.digest, note=body.note,
            entrance=ENTRANCE,
        )  # fmt: skip
        version.refresh_from_db()
        return Response(VersionSerializer(version).data, status=status.HTTP_201_CREATED)


class PolicyReplay(Endpoint):
    scopes = {"POST": Scope.READ}

    @extend_schema(operation_id="replayPolicy", request=ReplayBody, responses=ReplaySerializer)
    def post(self, request: Request) -> Response:
        """What another policy would have answered to past requests that one sees, by the facts of then. Nothing is changed."""
        body = read(ReplayBody, request)
        try:
            candidate = loader.load_texts(body.files)
        except BadPolicy as problem:
            raise BadParams({"files": str(problem).splitlines()}) from problem
        since = timezone.now() - timedelta(days=body.days)
        seen = queries.requests_visible_to(self.person).filter(created_at__gte=since)
        found = replay(candidate, policies.current_policy(), seen, limit=MOST_REQUESTS, seconds=SECONDS)
        return Response(ReplaySerializer(found).data)


class PolicySimulation(Endpoint):
    scopes = {"POST": Scope.REQUEST}

    @extend_schema(operation_id="simulatePolicy", request=SimulationBody, responses=PreviewSerializer)
    def post(self, request: Request) -> Response:
        """What would be answered if somebody else asked, or at another time: the plan is made as you. Nothing is asked for."""
        body = read(SimulationBody, request)
        person = Person.objects.filter(username=body.person.replace("\x00", ""), is_active=True).first()
        if person is None:
            raise BadParams({"person": ["Nobody is called that."]})
        seen = simulate(
            viewer=self.person, person=person, at=body.at or timezone.now(), action=body.action, target=body.target,
            params=body.params,
        )  # fmt: skip
        return Response(PreviewSerializer(seen).data)
