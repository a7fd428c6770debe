"""Django: migrate, inspectdb, models to and fro. Argument: the URL to connect to."""

import sys
from urllib.parse import urlsplit

import django
from django.conf import settings

url = urlsplit(sys.argv[1])
database = {
    "ENGINE": "django.db.backends.postgresql",
    "HOST": url.hostname,
    "PORT": url.port,
    "USER": url.username,
    "PASSWORD": url.password,
    "NAME": url.path[1:],
}
settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
    DATABASES={"default": database},
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
)
django.setup()

from django.contrib.auth.models import Group, Permission, User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import DatabaseError, connection, transaction  # noqa: E402
from django.db.models import Count, F  # noqa: E402

call_command("migrate", verbosity=1, no_color=True)
call_command("inspectdb")
call_command("showmigrations", no_color=True)
user = User.objects.create(username="u", email="u@example.org")
group = Group.objects.create(name="g")
user.groups.add(group)
group.permissions.set(Permission.objects.order_by("id")[:3])
print(User.objects.filter(groups__name="g").values_list("username", "email", "is_active"))
for attempt in (
    lambda: User.objects.create(username="u"),
    lambda: User.objects.raw("SELECT 1/0")[0],
):
    try:
        with transaction.atomic():
            attempt()
    except DatabaseError as error:
        print(type(error).__name__, error)
with transaction.atomic():
    print(User.objects.select_for_update().get(pk=user.pk).username)
    User.objects.filter(pk=user.pk).update(email=F("username"))
user.refresh_from_db()
print(user.email)
Group.objects.bulk_create([Group(name=f"g{n}") for n in range(50)])
permissions = Permission.objects.select_related("content_type").order_by("id")
print([p.content_type.model for p in permissions.iterator(chunk_size=5)])
print(User.objects.annotate(n=Count("groups")).values("username", "n"))
print(connection.introspection.table_names())
with connection.cursor() as cursor:
    print(connection.introspection.get_constraints(cursor, "auth_user_groups").keys())
call_command("migrate", "auth", "zero", verbosity=1, no_color=True)
