// A person's sign-in and what comes after it, with openid-client and nothing but discovery.
//
// Each step that is done is a line of standard output. `browser ADDRESS` asks whoever runs this to go there, and to say on
// standard input where the browser ended.
import assert from 'node:assert/strict'
import { createInterface } from 'node:readline'

import * as client from 'openid-client'

const { ISSUER, CLIENT_ID, CLIENT_SECRET, REDIRECT_URI, POST_LOGOUT_REDIRECT_URI, SCOPE, USER_NAME } = process.env
const isConfidential = Boolean(CLIENT_SECRET)

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]()

async function browse(address) {
  console.log(`browser ${address.href}`)
  const { value, done } = await answers.next()
  assert(!done, 'the browser ended nowhere')
  return new URL(value)
}

// A string is taken as the secret; a client without one says so.
const authentication = isConfidential ? undefined : client.None()
const config = await client.discovery(new URL(ISSUER), CLIENT_ID, CLIENT_SECRET, authentication)
// ID tokens from the token endpoint are verified against the JWKS too.
client.enableNonRepudiationChecks(config)
console.log('discover')

async function signIn(more = {}) {
  const pkceCodeVerifier = client.randomPKCECodeVerifier()
  const expectedState = client.randomState()
  const expectedNonce = client.randomNonce()
  const address = client.buildAuthorizationUrl(config, {
    redirect_uri: REDIRECT_URI,
    scope: SCOPE,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    state: expectedState,
    nonce: expectedNonce,
    ...more,
  })
  const back = await browse(address)
  return client.authorizationCodeGrant(config, back, { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true })
}

let tokens = await signIn()
const claims = tokens.claims()
assert.equal(claims.iss, ISSUER)
assert.equal(claims.aud, CLIENT_ID)
console.log('sign-in')

const info = await client.fetchUserInfo(config, tokens.access_token, claims.sub)
assert.equal(info.email, USER_NAME)
assert.equal(info.name, 'Alice Example')
console.log('userinfo')

const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token)
assert.notEqual(refreshed.access_token, tokens.access_token)
assert.notEqual(refreshed.refresh_token, tokens.refresh_token)
assert.equal(refreshed.claims()?.sub, claims.sub)
console.log('refresh')

if (isConfidential) {
  const access = await client.tokenIntrospection(config, refreshed.access_token)
  assert.deepEqual(
    [access.active, access.token_type, access.aut, access.username],
    [true, 'Bearer', 'APPLICATION_USER', USER_NAME],
  )
  const refresh = await client.tokenIntrospection(config, refreshed.refresh_token)
  assert.deepEqual([refresh.active, refresh.token_type, refresh.aut], [true, 'Refresh', undefined])
  console.log('introspect')
}

// The family goes with its refresh token.
await client.tokenRevocation(config, refreshed.refresh_token)
if (isConfidential) {
  assert.deepEqual(await client.tokenIntrospection(config, refreshed.access_token), { active: false })
}
await assert.rejects(client.fetchUserInfo(config, refreshed.access_token, claims.sub))
await assert.rejects(client.refreshTokenGrant(config, refreshed.refresh_token), { error: 'invalid_grant' })
console.log('revoke')

// The session of the browser goes on: nobody is asked again.
tokens = await signIn({ prompt: 'none' })
console.log('sign-in without a question')

if (POST_LOGOUT_REDIRECT_URI) {
  const state = client.randomState()
  const farewell = client.buildEndSessionUrl(config, {
    id_token_hint: tokens.id_token,
    post_logout_redirect_uri: POST_LOGOUT_REDIRECT_URI,
    state,
  })
  const back = await browse(farewell)
  assert.equal(`${back.origin}${back.pathname}`, POST_LOGOUT_REDIRECT_URI)
  assert.equal(back.searchParams.get('state'), state)
  await assert.rejects(signIn({ prompt: 'none' }), { error: 'login_required' })
  console.log('logout')
}
answers.return()
process.exit(0)
