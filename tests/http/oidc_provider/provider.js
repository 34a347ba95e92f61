// A real identity provider for the tests: `node provider.js '{"port": …, "clients": {…}}'`.
// Each client gets tokens on its own behalf, for whichever resource it names, with its tenant in them.
import { generateKeyPairSync } from "node:crypto";
import { Provider } from "oidc-provider";

const { port, clients } = JSON.parse(process.argv[2]);
const scopes = ["rag:read", "rag:write", "rag:erase"];
const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });

const provider = new Provider(`http://127.0.0.1:${port}`, {
  jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), alg: "RS256", use: "sig" }] },
  scopes,
  clients: Object.entries(clients).map(([id, { secret, scope }]) => ({
    client_id: id,
    client_secret: secret,
    scope,
    grant_types: ["client_credentials"],
    response_types: [],
    redirect_uris: [],
  })),
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (context, resource) => ({
        audience: resource,
        scope: scopes.join(" "),
        accessTokenFormat: "jwt",
        jwt: { sign: { alg: "RS256" } },
      }),
    },
  },
  extraTokenClaims: (context, token) => ({ tenant: clients[token.clientId].tenant }),
});

provider.listen(port, "127.0.0.1", () => console.log("listening"));
