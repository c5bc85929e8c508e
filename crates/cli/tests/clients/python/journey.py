"""A person's sign-in and what comes after it, with Authlib in a Flask application and nothing but discovery.

Each step that is done is a line of standard output. `browser ADDRESS` asks whoever runs this to go there, and to say on
standard input where the browser ended.
"""

import os
import sys
from urllib.parse import parse_qs, urlsplit

from authlib.integrations.flask_client import OAuth, OAuthError
from authlib.integrations.requests_client import OAuth2Session
from flask import Flask, jsonify

ISSUER = os.environ["ISSUER"]
CLIENT_ID = os.environ["CLIENT_ID"]
CLIENT_SECRET = os.environ.get("CLIENT_SECRET")
REDIRECT_URI = os.environ["REDIRECT_URI"]
POST_LOGOUT_REDIRECT_URI = os.environ.get("POST_LOGOUT_REDIRECT_URI")
USER_NAME = os.environ["USER_NAME"]

app = Flask("journey")
app.secret_key = os.urandom(32)
client_kwargs = {"scope": os.environ["SCOPE"], "code_challenge_method": "S256"}
if not CLIENT_SECRET:
    client_kwargs["token_endpoint_auth_method"] = "none"
lydian = OAuth(app).register(
    "lydian",
    client_id=CLIENT_ID,
    client_secret=CLIENT_SECRET,
    server_metadata_url=f"{ISSUER}/.well-known/openid-configuration",
    client_kwargs=client_kwargs,
)
seen = {}


@app.get("/login")
def login():
    return lydian.authorize_redirect(REDIRECT_URI)


@app.get("/login-without-a-question")
def login_without_a_question():
    return lydian.authorize_redirect(REDIRECT_URI, prompt="none")


@app.get("/callback")
def callback():
    """The ID token is verified in here, against the JWKS."""
    try:
        token = lydian.authorize_access_token()
    except OAuthError as error:
        return jsonify(error=error.error)
    seen["token"] = token
    seen["info"] = lydian.userinfo(token=token)
    return jsonify(sub=token["userinfo"]["sub"])


@app.get("/logout")
def logout():
    return lydian.logout_redirect(POST_LOGOUT_REDIRECT_URI, id_token_hint=seen["token"]["id_token"])


@app.get("/farewell")
def farewell():
    lydian.validate_logout_response()
    return jsonify(done=True)


def browse(address):
    print(f"browser {address}", flush=True)
    return sys.stdin.readline().strip()


def done(step):
    print(step, flush=True)


def sign_in(application, path):
    back = browse(application.get(path).location)
    return application.get(f"/callback?{urlsplit(back).query}").json


metadata = lydian.load_server_metadata()
assert metadata["issuer"] == ISSUER, metadata
done("discover")

with app.test_client() as application:
    subject = sign_in(application, "/login")["sub"]
    token, info = seen["token"], seen["info"]
    claims = token["userinfo"]
    assert (claims["iss"], claims["aud"]) == (ISSUER, CLIENT_ID), claims
    done("sign-in")

    assert (info["sub"], info["email"], info["name"]) == (subject, USER_NAME, "Alice Example"), info
    done("userinfo")

    session = OAuth2Session(
        CLIENT_ID,
        CLIENT_SECRET,
        token_endpoint_auth_method="client_secret_basic" if CLIENT_SECRET else "none",
        revocation_endpoint_auth_method="client_secret_basic" if CLIENT_SECRET else "none",
    )
    refreshed = session.refresh_token(metadata["token_endpoint"], refresh_token=token["refresh_token"])
    assert refreshed["access_token"] != token["access_token"]
    assert refreshed["refresh_token"] != token["refresh_token"]
    done("refresh")

    def introspect(text):
        answer = session.introspect_token(metadata["introspection_endpoint"], token=text)
        answer.raise_for_status()
        return answer.json()

    if CLIENT_SECRET:
        access = introspect(refreshed["access_token"])
        members = [access.get(name) for name in ("active", "token_type", "aut", "username")]
        assert members == [True, "Bearer", "APPLICATION_USER", USER_NAME], access
        refresh = introspect(refreshed["refresh_token"])
        members = [refresh.get(name) for name in ("active", "token_type", "aut")]
        assert members == [True, "Refresh", None], refresh
        done("introspect")

    # The family goes with its refresh token.
    revoked = session.revoke_token(
        metadata["revocation_endpoint"], token=refreshed["refresh_token"], token_type_hint="refresh_token"
    )
    assert revoked.status_code == 200, revoked.text
    if CLIENT_SECRET:
        assert introspect(refreshed["access_token"]) == {"active": False}
    try:
        session.refresh_token(metadata["token_endpoint"], refresh_token=refreshed["refresh_token"])
    except Exception as error:
        assert getattr(error, "error", None) == "invalid_grant", error
    else:
        raise AssertionError("a revoked refresh token was exchanged")
    done("revoke")

    # The session of the browser goes on: nobody is asked again.
    assert sign_in(application, "/login-without-a-question")["sub"] == subject
    done("sign-in without a question")

    if POST_LOGOUT_REDIRECT_URI:
        back = browse(application.get("/logout").location)
        assert back.split("?")[0] == POST_LOGOUT_REDIRECT_URI, back
        assert parse_qs(urlsplit(back).query)["state"], back
        assert application.get(f"/farewell?{urlsplit(back).query}").json == {"done": True}
        assert sign_in(application, "/login-without-a-question") == {"error": "login_required"}
        done("logout")
