// node-oidc-provider as a peer of the bench: one process, all state in memory, plain HTTP on a free port.
// It prints one line, `ready: ADDR:PORT`, and ends with the input that the bench holds open.

import { generateKeyPairSync } from 'node:crypto';

import Provider from 'oidc-provider';

const [clientId, clientSecret] = process.argv.slice(2);

// The adapter that the package brings forgets all but the last thousand entries.
const entries = new Map();

class MemoryAdapter {
  constructor(model) {
    this.model = model;
  }

  key(id) {
    return `${this.model}:${id}`;
  }

  async upsert(id, payload) {
    entries.set(this.key(id), payload);
  }

  async find(id) {
    return entries.get(this.key(id));
  }

  async consume(id) {
    entries.get(this.key(id)).consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    entries.delete(this.key(id));
  }
}

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

const provider = new Provider('http://localhost', {
  adapter: MemoryAdapter,
  clients: [{
    client_id: clientId,
    client_secret: clientSecret,
    grant_types: ['client_credentials'],
    id_token_signed_response_alg: 'ES256',
    redirect_uris: [],
    response_types: [],
    scope: 'read write',
  }],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    introspection: { enabled: true, allowedPolicy: () => true },
  },
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), alg: 'ES256', use: 'sig' }] },
  scopes: ['read', 'write'],
  ttl: { ClientCredentials: 3600 },
});

const server = provider.listen(0, '127.0.0.1', () => {
  console.log(`ready: 127.0.0.1:${server.address().port}`);
});
server.keepAliveTimeout = 75_000;

process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
