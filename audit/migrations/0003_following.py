"""The order in which the record is followed: by transaction, then by id."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("audit", "0002_append_only")]
    operations = [
        migrations.AddIndex(
            model_name="eventrow",
            index=models.Index(fields=["txid", "id"], name="audit_event_follow"),
        ),
    ]
