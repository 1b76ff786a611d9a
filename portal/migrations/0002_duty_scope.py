import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("portal", "0001_initial")]

    operations = [
        migrations.AlterField(
            model_name="apitoken",
            name="scopes",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(
                    choices=[
                        ("read", "See services, requests and plans"),
                        ("request", "Ask for actions; withdraw, cancel and undo"),
                        ("approve", "Vote on requests, and say what is true of an unclear run"),
                        ("audit", "Read and export the audit record"),
                        ("duty", "Say who is on call, and which incidents are open"),
                    ],
                    max_length=16,
                ),
                size=None,
            ),
        ),
    ]
