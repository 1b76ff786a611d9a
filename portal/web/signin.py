"""Signing in and out, on record.

Who could not sign in is recorded as a name only when there is such an account: people do type their password into the wrong field.
"""

from typing import Any

from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm, UsernameField
from django.contrib.auth.views import LoginView, LogoutView
from django.db import transaction
from django.http import HttpResponse
from django.urls import path

from audit import writer
from audit.events import SYSTEM, Actor, ActorKind, Event
from inventory.models import Person


class SignInForm(AuthenticationForm):
    """Bounds the name before anything keeps it; Django's form only tells the browser to."""

    username = UsernameField(max_length=Person._meta.get_field("username").max_length)


class SignIn(LoginView):
    template_name = "signin.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        person = form.get_user()
        with transaction.atomic():
            response = super().form_valid(form)
            actor = Actor(ActorKind.PERSON, person.username, person.pk)
            writer.record(Event("session.started", actor, "signed in with a password"))
        return response

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        locked = bool(getattr(self.request, "axes_locked_out", False))
        name = str(form.data.get("username", ""))[:150].replace("\x00", "")
        known = Person.objects.filter(username__iexact=name).exists()
        why = "too many wrong passwords" if locked else "wrong name or password"
        who = name if known else "an account that does not exist"
        with transaction.atomic():
            writer.record(Event("session.refused", SYSTEM, f"{why}, for {who}"))
        context = self.get_context_data(form=form, locked_minutes=_minutes() if locked else 0)
        return self.render_to_response(context, status=429 if locked else 422)

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(version=settings.VERSION, **context)


def _minutes() -> int:
    return max(1, int(settings.AXES_COOLOFF_TIME.total_seconds() // 60))


urlpatterns = [
    path("sign-in", SignIn.as_view(), name="sign-in"),
    path("sign-out", LogoutView.as_view(next_page="sign-in"), name="sign-out"),
]
