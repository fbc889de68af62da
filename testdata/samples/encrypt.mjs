// Makes encrypted/*.json from the samples beside it, as the sender does it:
// AES-256-CBC with PKCS#7 padding by Node's crypto, the key as raw bytes, body and
// IV in base64. Every run makes the same files.
//
//   node encrypt.mjs            writes them
//   node encrypt.mjs --check    exits 1 when a file is not what it would write
import { createCipheriv, createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const keys = JSON.parse(readFileSync(join(here, "keys.json"), "utf8"));

// change: what is done to the finished request.
const fixtures = {
  accepted: { sample: "accepted.json" },
  rejected: { sample: "rejected.json" },
  "labelled-json": { sample: "rejected.json", change: (f) => ({ ...f, content_type: "application/json" }) },
  "no-padding": { sample: "accepted.json", change: (f) => ({ ...f, iv: f.iv.replace(/=+$/, ""), body: f.body.replace(/=+$/, "") }) },
  "url-safe": { sample: "odd-name.json", change: (f) => ({ ...f, iv: urlSafe(f.iv), body: urlSafe(f.body) }) },
  "iv-15": { sample: "accepted.json", change: (f) => ({ ...f, iv: Buffer.from(f.iv, "base64").subarray(0, 15).toString("base64") }) },
  "wrong-key": { sample: "accepted.json", key: "other" },
  "attempts-string": { sample: "attempts-string.json" },
  "ticket-rejected": { sample: "ticket-rejected.json" },
};

let stale = 0;
for (const [name, { sample, key = "sample", change = (f) => f }] of Object.entries(fixtures)) {
  // A real IV is random. This one is the same every time, so that the files are.
  const iv = createHash("sha256").update(`iv of ${name}`).digest().subarray(0, 16);
  const cipher = createCipheriv("aes-256-cbc", Buffer.from(keys[key], "utf8"), iv);
  const body = cipher.update(readFileSync(join(here, sample)), undefined, "base64") + cipher.final("base64");
  const made = change({ sample, key, content_type: "text/plain", iv: iv.toString("base64"), body });
  const text = JSON.stringify(made, null, 2) + "\n";
  const file = join(here, "encrypted", `${name}.json`);
  if (!process.argv.includes("--check")) {
    writeFileSync(file, text);
  } else if (!existsSync(file) || readFileSync(file, "utf8") !== text) {
    console.error(`${name}.json is stale: run node encrypt.mjs`);
    stale++;
  }
}
process.exitCode = stale ? 1 : 0;

function urlSafe(s) {
  return s.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}
