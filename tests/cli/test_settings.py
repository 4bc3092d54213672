"""`podready settings`: every format, on classes of podready and of others, without a secret."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from podready.kube.manifest import parse_yaml
from podready.runtime.settings.sources.dotenv import parse_dotenv

SOURCE = '''
import enum
import podready
from podready.settings import ByteSize

print("noise at import")

class Colour(enum.Enum):
    RED = "r"

class Cache(podready.Settings):
    host: str
    ttl: int = 60

class App(podready.Settings, prefix="SHOP_"):
    port: int = 8080  # where it listens
    database_url: podready.Secret[str]
    """Postgres DSN"""
    motto: str = 'say "hi" # and | go'
    size: ByteSize = podready.var(default="64MiB")
    colour: Colour = Colour.RED
    api_key: str = "hunter2-default"
    cache: Cache | None = None

settings = App.load()
'''

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  template:
    metadata:
      annotations: {kubectl.kubernetes.io/default-container: web}
    spec:
      containers:
        - name: proxy
          image: x
        - name: web
          image: x
          env:
            - name: SHOP_PORT
              value: "80a"
            - name: SHOP_COLUOR
              value: r
            - name: SHOP_API_KEY
              value: hunter2
            - name: SHOP_MOTTO
              value: $(POD_NAME)
            - name: TZ
              value: UTC
"""

Podready = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def podready(tmp_path: Path) -> Podready:
    """Run the command in a folder with the app above."""
    (tmp_path / "main.py").write_text(SOURCE)
    (tmp_path / "deploy.yaml").write_text(DEPLOYMENT)

    def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "podready", "settings", *arguments],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **environ},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def test_the_table_shows_values_sources_and_what_is_wrong(
    podready: Podready, tmp_path: Path
) -> None:
    """Of a module that cannot even be imported in this environment."""
    (tmp_path / "size").write_text("1Gi")
    done = podready("main:App", SHOP_PORT="80a", SHOP_SIZE_FILE="size", SHOP_API_KEY="hunter2-x")
    assert done.returncode == 0
    lines = [line.split() for line in done.stdout.splitlines() if line]
    rows = {words[0]: " ".join(words[1:]) for words in reversed(lines)}
    assert done.stdout.startswith("App: 8 variables (SHOP_*)\n\nVARIABLE")
    assert '"80a" environment where it listens' in " ".join(done.stdout.split())
    assert rows["SHOP_SIZE"] == 'size 64MiB "1Gi" file size'
    assert "SHOP_CACHE_HOST" in rows
    assert "required if any SHOP_CACHE_* is set" in done.stdout
    assert "SHOP_DATABASE_URL  missing  required" in done.stdout
    assert "Postgres DSN" in done.stdout
    assert "hunter2" not in done.stdout + done.stderr
    assert "noise" not in done.stdout


@pytest.mark.slow
def test_check_is_the_apps_own_report(podready: Podready, tmp_path: Path) -> None:
    """Exit code 78 and the termination message of an init container, or one good line."""
    message = tmp_path / "message"
    done = podready("main:App", "--check", PODREADY_TERMINATION_LOG=str(message))
    assert (done.returncode, done.stdout) == (78, "")
    assert "SHOP_DATABASE_URL  missing" in done.stderr
    assert message.read_text() in done.stderr
    done = podready("main:App", "--check", SHOP_DATABASE_URL="x")
    assert (done.returncode, done.stdout) == (0, "settings: 8 variables, nothing is wrong\n")


def test_env_example_is_a_dotenv_file(podready: Podready) -> None:
    """Required variables stand open, all others as comments that read back as their defaults."""
    text = podready("main:App", "-o", "env").stdout
    assert {line.name: line.text for line in parse_dotenv(text)} == {"SHOP_DATABASE_URL": ""}
    commented = "\n".join(line[1:] for line in text.splitlines() if line.startswith("#SHOP_"))
    assert {line.name: line.text for line in parse_dotenv(commented)} == {
        "SHOP_PORT": "8080",
        "SHOP_MOTTO": 'say "hi" # and | go',
        "SHOP_SIZE": "64MiB",
        "SHOP_COLOUR": "r",
        "SHOP_API_KEY": "",
        "SHOP_CACHE_HOST": "",
        "SHOP_CACHE_TTL": "60",
    }
    assert "# Postgres DSN (str, required, secret)\n" in text


@pytest.mark.slow
def test_configmap_and_secret_divide_the_variables(podready: Podready) -> None:
    """A Secret never with values; of a section that may be missing neither has a part."""
    config = podready("main:App", "-o", "configmap").stdout
    assert parse_yaml(config) == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "shop"},
        "data": {
            "SHOP_PORT": "8080",
            "SHOP_MOTTO": 'say "hi" # and | go',
            "SHOP_SIZE": "64MiB",
            "SHOP_COLOUR": "r",
        },
    }
    assert "  # where it listens (int, optional)\n  SHOP_PORT" in config
    secret = podready("main:App", "-o", "secret", "--name", "x", SHOP_DATABASE_URL="hunter2").stdout
    assert parse_yaml(secret) == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "x"},
        "type": "Opaque",
        "stringData": {"SHOP_DATABASE_URL": "", "SHOP_API_KEY": ""},
    }


def test_json_schema(podready: Podready) -> None:
    """Types, defaults, choices; secrets write-only; what must be there."""
    schema = json.loads(podready("main:App", "-o", "json-schema").stdout)
    assert schema["required"] == ["SHOP_DATABASE_URL"]
    found = schema["properties"]
    assert found["SHOP_PORT"] == {
        "type": "integer", "description": "where it listens", "default": 8080,
    }  # fmt: skip
    assert found["SHOP_DATABASE_URL"]["writeOnly"] is True
    assert found["SHOP_COLOUR"] == {"enum": ["r"], "default": "r"}
    assert found["SHOP_API_KEY"] == {"type": "string", "writeOnly": True}


def test_markdown(podready: Podready) -> None:
    """One row a variable; a pipe does not break the table."""
    lines = podready("main:App", "-o", "markdown").stdout.splitlines()
    assert lines[:3] == [
        "| variable | type | default | |",
        "|---|---|---|---|",
        "| `SHOP_PORT` | int | `8080` | where it listens |",
    ]
    assert '| `SHOP_MOTTO` | str | `say "hi" # and \\| go` |  |' in lines


def test_diff_names_what_the_manifest_lacks_and_has_too_much(podready: Podready) -> None:
    """With file and line; other people's variables and other containers are left alone."""
    done = podready("main:App", "--diff", "deploy.yaml")
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "deploy.yaml:14: container web lacks SHOP_DATABASE_URL (str, required) Postgres DSN",
        'deploy.yaml:15: SHOP_PORT: "80a" is not an integer',
        "deploy.yaml:17: SHOP_COLUOR is not a variable of App; did you mean SHOP_COLOUR?",
        "deploy.yaml:19: SHOP_API_KEY is a secret: take it from a Secret (secretKeyRef)",
    ]


@pytest.mark.slow
def test_diff_looks_into_configmaps_that_it_is_shown(podready: Podready, tmp_path: Path) -> None:
    """And says what it could not see."""
    (tmp_path / "deploy.yaml").write_text(
        DEPLOYMENT[: DEPLOYMENT.index("          env:")]
        + textwrap.indent(
            "envFrom:\n- configMapRef: {name: shop}\n- secretRef: {name: shop}\n", " " * 10
        )
    )
    done = podready("main:App", "--diff", "deploy.yaml")
    assert done.returncode == 0
    assert "not seen: what is in ConfigMap shop, Secret shop" in done.stdout
    (tmp_path / "prd").mkdir()
    (tmp_path / "prd" / "config.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shop}\n"
        'data:\n  SHOP_SIZE: "64m"\n  SHOP_PRT: "1"\n'
        "---\napiVersion: v1\nkind: Secret\nmetadata: {name: shop}\n"
        "stringData:\n  SHOP_X: hunter2\n"
    )
    done = podready("main:App", "--diff", "deploy.yaml", "--diff", "prd")
    assert done.returncode == 1
    assert 'prd/config.yaml:5: SHOP_SIZE: "64m" is not a size' in done.stdout
    typo = "prd/config.yaml:6: SHOP_PRT is not a variable of App; did you mean SHOP_PORT?"
    assert typo in done.stdout
    assert "prd/config.yaml:12: SHOP_X is not a variable of App" in done.stdout
    assert "lacks SHOP_DATABASE_URL" in done.stdout
    assert "hunter2" not in done.stdout


CONNECTED = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: shop, namespace: prd}
data: {SHOP_PORT: "80a"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: shop, namespace: dev}
data:
  SHOP_PORT: "81"
  PART: x
---
apiVersion: v1
kind: Secret
metadata: {name: shop}
data: {url: aHVudGVyMg==}
stringData: {empty: ""}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, namespace: dev}
spec:
  template:
    spec:
      initContainers:
      - name: check
        image: shop
        command: [podready, settings, main:App, --check]
        envFrom:
        - configMapRef: {name: shop}
      - name: migrate
        image: shop
      containers:
      - name: shop
        image: shop
        envFrom:
        - prefix: SHOP_MOTTO_
          secretRef: {name: elsewhere}
        env:
        - name: SHOP_DATABASE_URL
          valueFrom: {secretKeyRef: {name: shop, key: rul}}
        - name: SHOP_API_KEY
          valueFrom: {secretKeyRef: {name: shop, key: empty}}
        - name: SHOP_COLOUR
          valueFrom: {configMapKeyRef: {name: shop, key: nosuch, optional: true}}
        - name: SHOP_SIZE
          value: 1Mi
        - name: SHOP_SIZE_FILE
          value: /run/size
        - name: SHOP_CACHE_TTL
          value: "3"
      - name: proxy
        image: envoy
"""


def test_diff_follows_references_as_the_kubelet_does(podready: Podready, tmp_path: Path) -> None:
    """Keys, namespaces, prefixes, begun sections, and the init container that checks the app."""
    (tmp_path / "all.yaml").write_text(CONNECTED)
    done = podready("main:App", "--diff", "all.yaml")
    assert done.stdout.splitlines() == [
        "all.yaml:26: container check lacks SHOP_DATABASE_URL (str, required) Postgres DSN",
        "all.yaml:39: container shop lacks SHOP_CACHE_HOST (str, required)",
        "all.yaml:40: SHOP_DATABASE_URL: Secret shop has no key rul",
        "all.yaml:42: SHOP_API_KEY is set but empty",
        "all.yaml:48: both SHOP_SIZE and SHOP_SIZE_FILE are set",
        "not seen: what is in Secret elsewhere; name its file with another --diff",
    ]
    assert done.returncode == 1
    done = podready("main:App", "--diff", "all.yaml", "--container", "migrate")
    assert "container migrate lacks SHOP_DATABASE_URL" in done.stdout


def test_a_file_variable_or_a_mount_stands_for_the_value(
    podready: Podready, tmp_path: Path
) -> None:
    """NAME_FILE counts as given."""
    (tmp_path / "deploy.yaml").write_text(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: a\n"
        "    env: [{name: SHOP_DATABASE_URL_FILE, value: /run/secrets/url}]\n"
    )
    done = podready("main:App", "--diff", "deploy.yaml")
    assert (done.returncode, done.stdout) == (0, "App: the manifests fit\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("main:Nothing",), "module 'main' has no class 'Nothing'"),
        (("nosuch:App",), "importing 'nosuch' failed: ModuleNotFoundError"),
        (("main:Colour",), "is not a class of settings"),
        (("main",), "main has several settings classes, name one: main:Cache, main:App"),
        (("main:App", "--diff", "deploy.yaml", "--check"), "exclude each other"),
        (("main:App", "--diff", "nosuch.yaml"), "nosuch.yaml: no such file or folder"),
        (("main:App", "--diff", "deploy.yaml", "--container", "x"), "no container 'x'"),
        (("main:App", "-o", "env", "--check"), "--check and --format exclude each other"),
        (("main:App", "--container", "web"), "--container goes with --diff"),
        (("main:App", "-o", "yaml"), "'yaml' is not one of"),
        (("main:App", "--env-example"), "has no --env-example: use --format env"),
        (("main:App", "--configmap"), "has no --configmap: use --format configmap"),
        (("--secret", "main:App"), "has no --secret: use --format secret"),
        (("main:App", "--json-schema"), "has no --json-schema: use --format json-schema"),
        (("main:App", "--markdown"), "has no --markdown: use --format markdown"),
        (("../main:App",), "is not MODULE:CLASS, such as main:AppSettings"),
        (("",), "is not MODULE:CLASS"),
        (
            ("main:App", "-o", "configmap", "--name", "Shop_1"),
            "'Shop_1' is not a name for an object",
        ),
        (
            ("main:App", "-o", "markdown", "--name", "x"),
            "--name goes with --format configmap or --format secret",
        ),
    ],
)
def test_mistakes_are_one_sentence(
    podready: Podready, arguments: tuple[str, ...], sentence: str
) -> None:
    """Exit code 2, no traceback."""
    done = podready(*arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_classes_of_other_libraries(podready: Podready, tmp_path: Path) -> None:
    """pydantic-settings as it is, also when its module fails to load them; attrs with a prefix."""
    (tmp_path / "other.py").write_text(
        textwrap.dedent(
            """
            import attrs, pydantic
            from pydantic_settings import BaseSettings, SettingsConfigDict

            @attrs.frozen
            class A:
                port: int  # listens

            class P(BaseSettings):
                model_config = SettingsConfigDict(env_prefix="P_")
                port: int  # listens
                key: pydantic.SecretStr = pydantic.SecretStr("hunter2")

            settings = P()
            """
        )
    )
    done = podready("other:P", "--check", P_PORT="x")
    assert done.returncode == 78
    assert 'P_PORT  invalid  "x" is refused' in done.stderr
    table = podready("other:P", "-o", "markdown").stdout
    assert "| `P_PORT` | int | required | listens |" in table
    assert "hunter2" not in table
    done = podready("other:A", "--prefix", "A_", "--check")
    assert "A_PORT  missing  required  (int, required) listens" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("form", ["table", "env", "configmap", "json-schema", "markdown"])
def test_a_default_with_a_password_in_it_is_not_shown(
    podready: Podready, tmp_path: Path, form: str
) -> None:
    """A URL for a developer's machine, of a variable whose name is not secret."""
    (tmp_path / "laptop.py").write_text(
        "import podready\nclass App(podready.Settings):\n"
        "    broker: str = 'amqp://guest:hunter2@localhost/'\n"
    )
    done = podready("laptop:App", "-o", form)
    assert done.returncode == 0
    assert "hunter2" not in done.stdout
    assert "BROKER" in podready("laptop:App", "-o", "secret").stdout


@pytest.mark.slow
def test_a_text_of_several_lines_stays_one_line(podready: Podready, tmp_path: Path) -> None:
    """A `doc` that goes over lines does not break a table or a comment."""
    (tmp_path / "lines.py").write_text(
        "import podready\nclass App(podready.Settings):\n"
        "    port: int = podready.var(default=1, doc='where the app\\nlistens')\n"
    )
    assert "# where the app listens (int)\n#PORT=1" in podready("lines:App", "-o", "env").stdout
    assert (
        "| `PORT` | int | `1` | where the app listens |"
        in podready("lines:App", "-o", "markdown").stdout
    )


@pytest.mark.slow
def test_only_configmap_secret_and_diff_need_an_extra(podready: Podready, tmp_path: Path) -> None:
    """--check runs in an init container of the app's own image, which has no YAML."""
    hidden = "import sys; sys.modules['ruamel'] = sys.modules['ruamel.yaml'] = None\n"
    (tmp_path / "sitecustomize.py").write_text(hidden)
    where = {"PYTHONPATH": str(tmp_path)}
    assert podready("main:App", "--check", SHOP_DATABASE_URL="x", **where).returncode == 0
    done = podready("main:App", "-o", "configmap", **where)
    assert done.returncode == 2
    assert "pip install 'podready[rehearse]'" in done.stderr


EARLIER = "config"
"""The name that the command had before."""


@pytest.mark.parametrize("arguments", [(), ("--help",), ("main:App", "--check")])
def test_the_earlier_name_of_the_command_says_the_present_one(arguments: tuple[str, ...]) -> None:
    """One sentence, exit code 2."""
    done = subprocess.run(
        [sys.executable, "-m", "podready", EARLIER, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    sentence = f"podready: podready {EARLIER} is called podready settings now\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", sentence)
