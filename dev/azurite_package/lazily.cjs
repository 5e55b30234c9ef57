// Lets Azurite start in two thirds of the time. Loaded before it: node --require.
//
// At its start Azurite loads the client of its telemetry, which is switched off here (--disableTelemetry), and a mapper to
// SQL for a store that is chosen by AZURITE_DB. In their places are objects that load them when something of them is
// used.
"use strict";

const Module = require("node:module");

const LATER = new Set(["applicationinsights", "./SqlBlobServer", "./SqlBlobConfiguration"]);

const load = Module._load;

Module._load = function (request, ...more) {
  if (!LATER.has(request)) return load.call(this, request, ...more);
  let found;
  // TypeScript asks each of its modules at once whether it is one; the answer needs no loading.
  const get = (_, name) => (name === "__esModule" ? true : (found ??= load.call(Module, request, ...more))[name]);
  return new Proxy({}, { get });
};
