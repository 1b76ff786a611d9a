from uuid import uuid4

from django.db import migrations, models

FILL = "UPDATE actions_execution SET mark = gen_random_uuid()"


class Migration(migrations.Migration):
    dependencies = [("actions", "0002_initial")]
    operations = [
        migrations.AddField("execution", "mark", models.UUIDField(null=True)),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.AlterField(
            "execution",
            "mark",
            models.UUIDField(
                default=uuid4, unique=True, editable=False, help_text="What effects carry outside: a row's number could be another portal's"
            ),
        ),
    ]
