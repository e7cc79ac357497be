// SPDX-License-Identifier: MIT
// Connects in the way named first and prints the line that the server sends: client.js WAY HOST PORT
const [way, host, port] = process.argv.slice(2);

const fail = (error) => {
  console.error(`${error.name}: ${error.message} ${error.cause ? error.cause.message : ''}`);
  process.exitCode = 1;
};

// Connects to two addresses in turn, as a program with its own resolver does, and then again.
const addresses = [{ address: '::1', family: 6 }, { address: '127.0.0.1', family: 4 }];
const options = {
  host: 'own.test', port, autoSelectFamily: true, lookup: (name, how, done) => done(null, addresses),
};
const twice = (rest) => {
  const peer = require('net').connect(options);
  peer.on('error', fail);
  peer.on('data', (data) => { process.stdout.write(data); peer.destroy(); });
  peer.on('close', () => rest > 1 && twice(rest - 1));
};

const ways = {
  resolver() {
    twice(2);
  },
  net() {
    const peer = require('net').connect(Number(port), host);
    peer.on('error', fail);
    peer.on('data', (data) => { process.stdout.write(data); peer.destroy(); });
  },
  http() {
    require('http').get(`http://${host}:${port}/k`, (answer) => answer.pipe(process.stdout)).on('error', fail);
  },
  fetch() {
    fetch(`http://${host}:${port}/k`).then((answer) => answer.text()).then((text) => process.stdout.write(text), fail);
  },
};

ways[way]();
