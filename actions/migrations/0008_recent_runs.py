"""What the policy is told of the last hour and the last day is found by when it was, and not in the whole history."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("actions", "0007_what_a_request_touches")]

    operations = [
        migrations.AddIndex(
            model_name="execution",
            index=models.Index(fields=["started_at"], name="execution_started"),
        ),
        migrations.AddIndex(
            model_name="execution",
            index=models.Index(condition=models.Q(state="reverted"), fields=["ended_at"], name="execution_reverted"),
        ),
    ]
