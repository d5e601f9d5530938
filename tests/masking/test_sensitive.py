"""Which variables and texts are taken for secrets: a table of both kinds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submarine_jupyter_server.masking.sensitive import MASK, hide, is_secret

CANARY = "canary-31337"
SECRET_NAMES = """
    API_KEY PGPASSWORD my-secret WANDB_APIKEY WANDB_API_KEY HF_TOKEN GITHUB_TOKEN DB_PASS PASSPHRASE GH_PAT MYSQL_PWD
    SESSION_COOKIE BEARER AUTHORIZATION SLACK_WEBHOOK AZURE_SAS CREDS SIGNING_KEY_PEM DSN SENTRY_DSN KEYFILE_JSON
    AWS_SECRET_ACCESS_KEY SSH_KEY ENCRYPTION_KEY apiToken githubToken clientSecret DB_PASSWD KEY BASIC_AUTH NPM_AUTH
    OPENAI_API_KEY_2 PRIVATE_KEY_1 JWT SESSION_KEY TOKEN_PROD WEBHOOK_URL GOOGLE_APPLICATION_CREDENTIALS
    DB_PASS DBPASS PGPASS dbPwd
""".split()  # noqa: SIM905
# Built from parts, so that no scanner takes this file for a leak.
SECRET_VALUES = [
    "postgres://u:pw@host/db",
    "redis://:pw@host:6379/0",
    "https://me:" + CANARY + "@host/x?y=1",
    "mongodb+srv://u:p%40w@cluster.example",
    "postgres://u:p/w#x?@host/db",
    "https://" + "a1B2" * 5 + "@github.example/a/b.git",
    "hf_" + "aB3" * 11,
    "ghp_" + "a1B2" * 9,
    "github_pat_" + "a1B2_" * 8,
    "glpat-" + "x1Y2" * 5,
    "AKIA" + "ABCD1234" * 2,
    "xoxb-" + "123456-abcdef",
    "sk-" + "proj-" + "a1B2" * 8,
    "sk_live_" + "a1B2" * 6,
    "AIza" + "Sy0aB" * 7,
    "eyJ" + "hbGciOiJI" + "." + "eyJzdWIiOiIx" + "." + "c2lnbmF0dXJl",
    "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIE\n-----END RSA " + "PRIVATE KEY-----",
    "Bearer " + "abcdefgh12345",
    "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=" + "abc==;",
    "Server=db;User=sa;Password=" + CANARY + ";",
    "https://hooks.slack.com/services/" + "T0/B0/xyz",
    "https://a.blob.example/c?sv=1&sig=" + "abc",
    '{"type": "service_account", "private_key": "x"}',
]
ORDINARY = {
    "LEARNING_RATE": "0.01",
    "TOKENIZERS_PARALLELISM": "false",
    "TOKENIZER": "bert-base-uncased",
    "TOKENIZER_NAME": "gpt2",
    "MAX_TOKENS": "512",
    "NUM_TOKENS_PER_BATCH": "4096",
    "EOS_TOKEN": "</s>",
    "PAD_TOKEN": "[PAD]",
    "TOKENS": "100",
    "KEYS": "a,b",
    "MONKEY": "george",
    "KEYBOARD": "qwerty",
    "AUTHOR": "Jane Doe",
    "AUTHORS": "a,b",
    "PASSES": "3",
    "N_PASS": "2",
    "PASS": "2",
    "BYPASS": "cache",
    "COMPASS": "north",
    "ENDPOINT": "http://host:8080/a@b",
    "PASSENGER": "x",
    "PATH": "/usr/bin:/bin",
    "PATTERN": "*.png",
    "PATIENCE": "5",
    "PWD": "/home/me",
    "SORT_KEY": "accuracy",
    "PRIMARY_KEY": "id",
    "METRIC_KEY": "val_loss",
    "PUBLIC_KEY": "ssh-ed25519 AAAA me",
    "TOKEN_FILE": "/run/secrets/token",
    "PASSWORD_FILE": "/run/secrets/db",
    "AUTH_TYPE": "oauth",
    "AUTH": "none",
    "COOKIE_DOMAIN": "example.org",
    "USE_AUTH": "true",
    "SECRET": "",
    "MODEL": "sk-net",
    "RUN": "hf_model",
    "DATA_URL": "https://example.org/data?x=1",
    "REPO": "ssh://git@github.com/a/b.git",
    "S3": "s3://bucket/key",
    "COMMIT": "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "IMAGE": "registry.example:5000/a/b@sha256:" + "ab" * 32,
    "EMAIL": "me@example.org",
    "TIME": "12:30:00",
    "ENV_1": "ENV1",
    "DISCRETE": "1",
    "SASHA": "x",
    "CREDIT": "5",
}


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_a_name_can_tell_a_secret(name: str) -> None:
    assert is_secret(name, CANARY)


@pytest.mark.parametrize("value", SECRET_VALUES)
def test_a_value_can_tell_a_secret(value: str) -> None:
    assert is_secret("PLAIN", value)


@pytest.mark.parametrize(("name", "value"), ORDINARY.items())
def test_ordinary_settings_stay_visible(name: str, value: str) -> None:
    assert not is_secret(name, value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            f"pip install git+https://u:{CANARY}@h/r && python t.py",
            f"pip install git+https://u:{MASK}@h/r && python t.py",
        ),
        (f"python t.py --password {CANARY} --lr 0.1", f"python t.py --password {MASK} --lr 0.1"),
        (f"python t.py --api-key='{CANARY} x' -v", f"python t.py --api-key={MASK} -v"),
        (f"HF_TOKEN={CANARY} python t.py", f"HF_TOKEN={MASK} python t.py"),
        ("login " + "ghp_" + "a1B2" * 9, f"login {MASK}"),
    ],
)
def test_of_a_command_only_the_secret_is_hidden(text: str, shown: str) -> None:
    assert hide(text) == shown
    assert hide(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "python train.py --max-tokens 512 --tokenizer gpt2 --key-metric loss --sort-key acc",
        "python train.py --token $HF_TOKEN --password-file /run/x --token /run/secrets/t",
        "python train.py --api-key {{key}} --password={{password}}",
        "torchrun --rdzv-endpoint=$MASTER_ADDR:$MASTER_PORT t.py --lr=1e-3 --seed 7",
        "echo ****** ; ssh git@github.com; curl https://host:8080/path@x",
    ],
)
def test_an_ordinary_command_is_shown_as_it_is(text: str) -> None:
    assert hide(text) == text


@given(st.text(max_size=200))
def test_what_is_hidden_stays_as_it_is_shown(text: str) -> None:
    assert hide(hide(text)) == hide(text)


@pytest.mark.parametrize("piece", ["a://", "a:", "--password ", "eyJ", "-----BEGIN PRIVATE KEY-----", "A=", "x@"])
def test_long_texts_are_read_in_time_that_grows_with_their_length(piece: str) -> None:
    assert isinstance(hide(piece * (131_000 // len(piece))), str)
