// SPDX-License-Identifier: MIT
// Node's loop with a connect in it: loop.js HOST PORT PERIOD LIMIT; prints what loop.c prints.
const [host, port, period, limit] = process.argv.slice(2);
const now = () => Number(process.hrtime.bigint()) / 1e6;
const start = now();
const used = process.cpuUsage();
let last = 0; // the first tick comes late while modules are loaded
let gap = 0;

const finish = (end) => {
  const { user, system } = process.cpuUsage(used);
  console.log(end, Math.round(now() - start), Math.round(gap), Math.round((user + system) / 1000));
  process.exit();
};

const peer = require('net').connect(Number(port), host);
peer.on('error', (error) => finish(error.code));
peer.on('connect', () => finish('connected'));
setTimeout(() => finish('limit'), Number(limit));
if (Number(period)) {
  setInterval(() => {
    gap = Math.max(gap, last ? now() - last : 0);
    last = now();
  }, Number(period));
}
