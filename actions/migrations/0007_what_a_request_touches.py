"""What each request touches, also of those there are: a chain touches more than where it was asked for."""

import django.contrib.postgres.fields
import django.contrib.postgres.indexes
from django.db import migrations, models

FROM_THEIR_PLANS = """
WITH one AS (
    SELECT id, plan_text::jsonb AS plan FROM actions_request WHERE plan_text LIKE '{"%'
    UNION ALL
    SELECT id, jsonb_array_elements(plan_text::jsonb -> 'parts') FROM actions_request WHERE plan_text LIKE '{"%'
), what AS (
    SELECT id, plan -> 'target' ->> 'key' AS it FROM one
    UNION SELECT id, jsonb_array_elements_text(plan -> 'holds') FROM one
    UNION SELECT id, 'service:' || (plan -> 'target' ->> 'service') FROM one
    UNION SELECT id, (plan ->> 'action') || '@service:' || (plan -> 'target' ->> 'service') FROM one
), found AS (
    SELECT id, array_agg(it ORDER BY it) AS touches FROM what WHERE it IS NOT NULL GROUP BY id
)
UPDATE actions_request SET touches = found.touches FROM found WHERE found.id = actions_request.id
"""


class Migration(migrations.Migration):
    dependencies = [("actions", "0006_terms_debts_proposals")]

    operations = [
        migrations.AddField(
            model_name="request",
            name="touches",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=400), default=list, size=None,
                help_text="Keys of targets and services, of a chain those of all parts: what the history of later ones looks for",
            ),
        ),
        migrations.RunSQL(FROM_THEIR_PLANS, migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name="request",
            index=django.contrib.postgres.indexes.GinIndex(fields=["touches"], name="request_touches"),
        ),
    ]  # fmt: skip
