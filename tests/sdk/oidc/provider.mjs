// Runs a real OpenID provider (npm oidc-provider) on a port of loopback, and prints its issuer as one line of JSON.
//
// argv[2] is JSON: `clients` as the provider takes them, and `people`, each with the claims that are told of it. Its own pages ask for a name
// and for consent; any password will do. A line on stdin changes its keys for new ones under the same issuer; an empty line on stdout says
// that they are in use.

import { createServer } from "node:http";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

// What the provider has to say to people would stand between our lines.
console.info = console.warn = console.log = console.error;
const say = (line) => process.stdout.write(`${line}\n`);

const load = createRequire(`${process.env.GPROXY_NODE_HOME}/`);
const found = (name) => import(pathToFileURL(load.resolve(name)).href);
const { default: Provider } = await found("oidc-provider");
const { exportJWK, generateKeyPair } = await found("jose");

const { clients, people } = JSON.parse(process.argv[2]);
const ALGORITHMS = ["RS256", "PS256", "ES256", "ES384", "EdDSA"];

let generation = 0;

async function keys() {
  generation += 1;
  const made = ALGORITHMS.map(async (alg) => {
    const { privateKey } = await generateKeyPair(alg, { extractable: true });
    return { ...(await exportJWK(privateKey)), alg, use: "sig", kid: `${alg}-${generation}` };
  });
  return Promise.all(made);
}

async function provider(issuer) {
  const made = new Provider(issuer, {
    clients,
    jwks: { keys: await keys() },
    cookies: { keys: ["for a test"] },
    pkce: { required: () => true },
    enabledJWA: { idTokenSigningAlgValues: ALGORITHMS },
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["groups", "preferred_username"] },
    findAccount: (_, accountId) => ({ accountId, claims: () => ({ sub: accountId, ...people[accountId] }) }),
  });
  made.on("server_error", (_, error) => console.error(error));
  return made.callback();
}

let handle;
const server = createServer((request, response) => handle(request, response));
server.listen(0, "127.0.0.1", async () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  handle = await provider(issuer);
  say(JSON.stringify({ issuer }));
  for await (const _ of createInterface({ input: process.stdin })) {
    handle = await provider(issuer);
    say("");
  }
  server.closeAllConnections();
  server.close();
});
