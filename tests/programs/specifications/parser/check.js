// Whether an AsyncAPI document is valid, by the parser of the AsyncAPI Initiative: node check.js FILE
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { Parser } from "@asyncapi/parser";

const ERRORS_AND_WARNINGS = 1;

const file = resolve(process.argv[2]);
const { document, diagnostics } = await new Parser().parse(await readFile(file, "utf8"), { source: file });
const faults = diagnostics.filter(({ severity }) => severity <= ERRORS_AND_WARNINGS);
for (const { path, message } of faults) console.error(`${path.join("/")}: ${message}`);
if (!document || faults.length) process.exit(1);
console.log(`valid: ${document.allChannels().length} channels, ${document.allOperations().length} operations, ` +
  `${document.allMessages().length} messages`);
