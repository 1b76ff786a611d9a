"""What exists: services, workloads, environments, and the clusters with their health. Scoped in SQL to what the person sees."""

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from actions.errors import NotFound
from actions.ruling import relation_of
from inventory import queries
from inventory.models import Cluster, Environment, Workload
from inventory.series import series_of, window_of
from portal.api.paging import PageQuery, page_of, position_in, read_query
from portal.api.serializers.base import listing
from portal.api.serializers.inventory import (
    ClusterSerializer,
    EnvironmentSerializer,
    SeriesSerializer,
    ServiceDetailSerializer,
    ServiceSerializer,
    WorkloadSerializer,
)
from portal.api.serializers.plans import OfferSerializer
from portal.web.acts import act_of, fitting

from .endpoint import Endpoint


class ServiceQuery(PageQuery):
    q = serializers.CharField(required=False, max_length=100, help_text="Words of the slug or the name")
    team = serializers.CharField(required=False, max_length=63)


class WorkloadQuery(PageQuery):
    service = serializers.CharField(required=False, max_length=253)
    environment = serializers.CharField(required=False, max_length=63)
    cluster = serializers.CharField(required=False, max_length=63)
    kind = serializers.CharField(required=False, max_length=32)
    gone = serializers.BooleanField(
        required=False, default=False, help_text="Those that are gone, instead of those there are"
    )


class Environments(Endpoint):
    @extend_schema(operation_id="listEnvironments", responses=EnvironmentSerializer(many=True))
    def get(self, request: Request) -> Response:
        return Response(EnvironmentSerializer(Environment.objects.all(), many=True).data)


class Clusters(Endpoint):
    @extend_schema(operation_id="listClusters", responses=ClusterSerializer(many=True))
    def get(self, request: Request) -> Response:
        return Response(ClusterSerializer(Cluster.objects.all(), many=True).data)


class Services(Endpoint):
    @extend_schema(
        operation_id="listServices", parameters=[ServiceQuery], responses=listing("Service", ServiceSerializer)
    )
    def get(self, request: Request) -> Response:
        """In the order of their slugs."""
        query = read_query(ServiceQuery, request)
        rows = queries.named_like(queries.services_visible_to(self.person), query.get("q", ""))
        if "team" in query:
            rows = rows.filter(team__slug=query["team"])
        if after := position_in("services", query):
            rows = rows.filter(slug__gt=after[0])
        found = list(rows.order_by("slug")[: query["limit"] + 1])
        page = page_of("services", found, query, lambda service: [service.slug])
        return Response({"items": ServiceSerializer(page.items, many=True).data, "next": page.next})


class ServiceDetail(Endpoint):
    @extend_schema(operation_id="getService", responses=ServiceDetailSerializer)
    def get(self, request: Request, slug: str) -> Response:
        service = queries.services_visible_to(self.person).filter(slug=slug).first()
        if service is None:
            raise NotFound("There is no such service, or you may not see it.")
        return Response(ServiceDetailSerializer(service).data)


class Workloads(Endpoint):
    @extend_schema(
        operation_id="listWorkloads", parameters=[WorkloadQuery], responses=listing("Workload", WorkloadSerializer)
    )
    def get(self, request: Request) -> Response:
        query = read_query(WorkloadQuery, request)
        rows = queries.workloads_visible_to(self.person).filter(gone_at__isnull=not query["gone"])
        if "service" in query:
            rows = rows.filter(service__slug=query["service"])
        if "environment" in query:
            rows = rows.filter(environment__slug=query["environment"])
        if "cluster" in query:
            rows = rows.filter(cluster__name=query["cluster"])
        if "kind" in query:
            rows = rows.filter(kind=query["kind"])
        if after := position_in("workloads", query):
            rows = rows.filter(pk__gt=after[0])
        found = list(rows.order_by("pk")[: query["limit"] + 1])
        page = page_of("workloads", found, query, lambda workload: [workload.pk])
        return Response({"items": WorkloadSerializer(page.items, many=True).data, "next": page.next})


class WorkloadDetail(Endpoint):
    @extend_schema(operation_id="getWorkload", responses=WorkloadSerializer)
    def get(self, request: Request, workload: int) -> Response:
        return Response(WorkloadSerializer(_workload(self, workload)).data)


class SeriesDetail(Endpoint):
    @extend_schema(operation_id="getSeries", responses=SeriesSerializer)
    def get(self, request: Request, workload: int) -> Response:
        row = _workload(self, workload)
        return Response(SeriesSerializer(series_of([row], window_of([row], now=timezone.now()))).data)


class Offers(Endpoint):
    @extend_schema(operation_id="listOffers", responses=OfferSerializer(many=True))
    def get(self, request: Request, workload: int) -> Response:
        """What can be done to this workload, each with what the policy will answer: what the buttons on its page say."""
        row, now = _workload(self, workload), timezone.now()
        relation = relation_of(self.person, row.service, now)
        offers = [act_of(action, row, self.person, now, relation) for action in fitting(row)]
        return Response(OfferSerializer(offers, many=True).data)


def _workload(endpoint: Endpoint, pk: int) -> Workload:
    workload = queries.workloads_visible_to(endpoint.person).filter(pk=pk).first()
    if workload is None:
        raise NotFound("There is no such workload, or you may not see it.")
    return workload
