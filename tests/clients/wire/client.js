// SPDX-License-Identifier: MIT
// Speaks HTTP in the way named first and prints each response: client.js WAY METHOD URL
const [way, method, url] = process.argv.slice(2);
const secure = url.startsWith('https');
const data = method === 'POST' || method === 'EXPECT' ? 'name=value' : undefined;

const fail = (error) => {
  console.error(`${error.name}: ${error.message} ${error.cause ? error.cause.message : ''}`);
  process.exitCode = 1;
};

const ask = (agent) => new Promise((done, failed) => {
  const library = require(secure ? 'https' : 'http');
  const headers = data ? { 'Content-Length': data.length } : {};
  if (method === 'EXPECT') headers.Expect = '100-continue';
  if (method === 'UPGRADE') Object.assign(headers, { Connection: 'Upgrade', Upgrade: 'other/1' });
  const verb = { EXPECT: 'POST', UPGRADE: 'GET' }[method] || method;
  const request = library.request(url, { agent, method: verb, headers }, (answer) => {
    console.log(answer.statusCode);
    answer.on('error', failed);
    answer.on('end', done);
    answer.pipe(process.stdout, { end: false });
  });
  request.on('error', failed);
  request.on('upgrade', (answer, peer, head) => {
    console.log(answer.statusCode);
    process.stdout.write(head);
    peer.on('data', (more) => process.stdout.write(more));
    peer.on('end', done);
  });
  if (method === 'EXPECT') {
    request.on('continue', () => request.end(data));
    request.flushHeaders();
  } else {
    request.end(data);
  }
});

const ways = {
  async http() {
    const agent = new (require(secure ? 'https' : 'http').Agent)({ keepAlive: true });
    await ask(agent);
    if (method !== 'UPGRADE') await ask(agent);
    agent.destroy();
  },
  async fetch() {
    for (let i = 0; i < 2; i++) {
      const answer = await fetch(url, { method, body: data });
      console.log(answer.status);
      process.stdout.write(Buffer.from(await answer.arrayBuffer()));
    }
  },
};

ways[way]().catch(fail);
