"""The token file: what it lets in, what it refuses, and how it changes."""

from __future__ import annotations

import hashlib
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidecast.policy.tokens import Scope, TokenFile, create_token, remove_token
from tidecast_collector.errors import InvalidInput

HASH = "sha256:" + hashlib.sha256(b"secret").hexdigest()
OTHER = "sha256:" + hashlib.sha256(b"other").hexdigest()


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "tokens"


def written(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def test_a_created_token_is_let_in_and_nothing_else(path):
    agent = create_token(path, "web-3", [Scope.INGEST])
    reader = create_token(path, "grafana", [Scope.READ, Scope.INGEST])
    tokens = TokenFile.load(path)
    assert tokens.verify(agent).name == "web-3"
    assert tokens.verify(reader).name == "grafana"
    for wrong in ("", "web-3", agent[:-1], agent + "x", agent.upper(), "\ud800", "é", "x" * 10**6):
        assert tokens.verify(wrong) is None


def test_tokens_are_256_random_bits_and_only_their_hash_is_kept(path):
    one, two = (create_token(path, name, [Scope.READ]) for name in ("one", "two"))
    assert one != two
    # 32 bytes are 43 characters of base64 without padding.
    assert len(one) == len("tide_") + 43
    text = path.read_text()
    assert one not in text
    assert hashlib.sha256(one.encode()).hexdigest() in text


@pytest.mark.parametrize(
    ("scopes", "allowed"),
    [
        ("ingest", {"ingest"}),
        ("read", {"read"}),
        ("operate", {"operate", "read"}),
        ("read,ingest", {"read", "ingest"}),
    ],
)
def test_scopes(path, scopes, allowed):
    token = TokenFile.load(written(path, f"a {scopes} {HASH}\n")).verify("secret")
    assert {scope for scope in Scope if token.allows(scope)} == allowed


def test_comments_and_blank_lines_are_passed_over(path):
    text = f"# who\n\n  # more\n\tweb-3\t ingest {HASH}\r\nb read {OTHER}"
    assert [t.name for t in TokenFile.load(written(path, text)).tokens] == ["web-3", "b"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a ingest", "1: a line reads"),
        (f"# x\n\na ingest {HASH} more", "3: a line reads"),
        (f"ä read {HASH}", "1: the name"),
        (f"{'a' * 65} read {HASH}", "1: the name"),
        (f"a admin {HASH}", "1: scopes are"),
        (f"a read, {HASH}", "1: scopes are"),
        ("a read tide_plaintext", "1: the hash"),
        (f"a read {HASH[:-1]}", "1: the hash"),
        (f"a read {HASH.upper()}", "1: the hash"),
        (f"a read {HASH}\nb read {OTHER}\na read {OTHER[:-1]}0", "3: the name of line 1"),
        (f"a read {HASH}\nb read {HASH}", "2: the hash of line 1"),
    ],
)
def test_a_wrong_line_is_named_and_not_repeated(path, text, says):
    with pytest.raises(InvalidInput, match=f"tokens:{says}") as refused:
        TokenFile.load(written(path, text))
    assert "plaintext" not in str(refused.value)


def test_a_line_that_is_not_text_is_named(path):
    path.write_bytes(f"a read {HASH}\n".encode() + b"\xff\n")
    path.chmod(0o600)
    with pytest.raises(InvalidInput, match="tokens:2: not UTF-8"):
        TokenFile.load(path)


def test_a_file_has_a_limit(path):
    with pytest.raises(InvalidInput, match="at most"):
        TokenFile.load(written(path, "#" * ((1 << 20) + 1)))


def test_a_missing_file_is_named(path):
    with pytest.raises(InvalidInput, match="tokens: the token file cannot be used: No such file"):
        TokenFile.load(path)
    with pytest.raises(InvalidInput, match="No such file"):
        create_token(path / "deeper", "a", [Scope.READ])


def test_a_file_that_everybody_may_read_is_warned_of(path, caplog):
    written(path, f"a read {HASH}\n")
    TokenFile.load(path)
    assert not caplog.records
    path.chmod(0o644)
    TokenFile.load(path)
    assert "read by everybody" in caplog.text


@pytest.mark.parametrize("name", ["", "a b", "#a", "a\n", "ä", "a" * 65, "-a"])
def test_a_name_that_would_not_be_read_again_is_refused(path, name):
    with pytest.raises(InvalidInput, match="no token name"):
        create_token(path, name, [Scope.READ])
    assert not path.exists()


def test_a_token_needs_a_scope_and_a_name_of_its_own(path):
    with pytest.raises(InvalidInput, match="at least one scope"):
        create_token(path, "a", [])
    create_token(path, "a", [Scope.READ])
    before = path.read_bytes()
    with pytest.raises(InvalidInput, match="exists already"):
        create_token(path, "a", [Scope.READ])
    with pytest.raises(InvalidInput, match="no token is named 'b'"):
        remove_token(path, "b")
    assert path.read_bytes() == before


def test_a_wrong_file_is_not_added_to(path):
    written(path, "nonsense\n")
    for change in (lambda: create_token(path, "a", [Scope.READ]), lambda: remove_token(path, "a")):
        with pytest.raises(InvalidInput, match="tokens:1:"):
            change()
    assert path.read_text() == "nonsense\n"
    assert [p.name for p in path.parent.iterdir()] == ["tokens"]


def test_changes_keep_comments_order_and_mode(path):
    written(path, f"# ours\na read {HASH}\n\nb read {OTHER}")
    path.chmod(0o640)
    create_token(path, "c", [Scope.INGEST])
    remove_token(path, "a")
    lines = path.read_text().splitlines()
    assert lines[:3] == ["# ours", "", f"b read {OTHER}"]
    assert lines[3].startswith("c ingest sha256:")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [p.name for p in path.parent.iterdir()] == ["tokens"]


def test_a_new_file_is_its_owners_alone(path):
    create_token(path, "a", [Scope.READ])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_link_stays_a_link(path):
    link = path.with_name("link")
    link.symlink_to(written(path, ""))
    create_token(link, "a", [Scope.READ])
    assert link.is_symlink()
    assert len(TokenFile.load(path).tokens) == 1


def test_no_token_is_lost_when_several_are_added_at_once(path):
    names = [f"host-{n}" for n in range(20)]
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda name: create_token(path, name, [Scope.INGEST]), names))
    tokens = TokenFile.load(path)
    assert [tokens.verify(presented).name for presented in made] == names


def test_changes_are_seen(path):
    first = create_token(path, "first", [Scope.READ])
    tokens = TokenFile.load(path)
    assert not tokens.reload_if_changed()
    second = create_token(path, "second", [Scope.READ])
    assert tokens.verify(second) is None
    assert tokens.reload_if_changed()
    assert tokens.verify(second).name == "second"
    remove_token(path, "first")
    assert tokens.reload_if_changed()
    assert tokens.verify(first) is None


@pytest.mark.parametrize("harm", [lambda p: p.write_text("nonsense, and more of it"), Path.unlink])
def test_a_file_that_went_wrong_is_told_once_and_the_tokens_stay(path, harm):
    presented = create_token(path, "a", [Scope.READ])
    tokens = TokenFile.load(path)
    harm(path)
    with pytest.raises(InvalidInput):
        tokens.reload_if_changed()
    assert not tokens.reload_if_changed()
    assert tokens.verify(presented).name == "a"


@given(st.text())
def test_any_text_is_read_or_refused(tmp_path_factory, text):
    path = written(tmp_path_factory.mktemp("t") / "tokens", "")
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        tokens = TokenFile.load(path)
    except InvalidInput as refused:
        assert f"{path}:" in str(refused)
    else:
        assert tokens.tokens == ()
