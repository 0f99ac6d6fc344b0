// A whole recognition by a client made of npm's `sip` and `mrcp`: INVITE, RECOGNIZE, RTP, RECOGNITION-COMPLETE, BYE.
//
//   node recognize.mjs SIP_PORT udp|tcp GRAMMAR FILE.wav [Header=value]...      FILE: mu-law or 16 bit, mono, 8 kHz
//
// Prints one JSON line: {status, events, cause, contentType, body}. Exit 1 if anything on the way is not as RFC 6787 has it.

import assert from "node:assert/strict";
import dgram from "node:dgram";
import fs from "node:fs";
import net from "node:net";
import mrcp from "mrcp";
import sip from "sip";

const [sipPort, transport, grammar, file, ...params] = process.argv.slice(2);
const SERVER = "127.0.0.1";
// The package answers 404 itself to messages for its own host name, so it must not share the server's.
const CLIENT = "127.0.0.2";
const LIMIT_MS = 60_000;

const limit = setTimeout(() => fail(new Error(`nothing came of it in ${LIMIT_MS} ms`)), LIMIT_MS);
process.on("uncaughtException", fail);
process.on("unhandledRejection", fail);

const rtp = dgram.createSocket("udp4");
await new Promise((resolve) => rtp.bind(0, CLIENT, resolve));

const stack = sip.create(
  { address: CLIENT, hostname: CLIENT, publicAddress: CLIENT, port: await freePort(), udp: true, tcp: true },
  (request) => request.method !== "ACK" && stack.send(sip.makeResponse(request, 200, "OK")),
);

const callId = `interop-${process.pid}-${Date.now()}`;
const dialog = {
  "call-id": callId,
  from: { uri: `sip:interop@${CLIENT}`, params: { tag: "interop" } },
  to: { uri: `sip:${SERVER}:${sipPort}` },
};
const target = `sip:${SERVER}:${sipPort};transport=${transport}`;
const offer = [
  "v=0",
  `o=interop 1 1 IN IP4 ${CLIENT}`,
  "s=-",
  `c=IN IP4 ${CLIENT}`,
  "t=0 0",
  "m=application 9 TCP/MRCPv2 1",
  "a=setup:active",
  "a=connection:new",
  "a=resource:speechrecog",
  "a=cmid:1",
  `m=audio ${rtp.address().port} RTP/AVP 0`,
  "a=rtpmap:0 PCMU/8000",
  "a=sendonly",
  "a=mid:1",
  "",
].join("\r\n");

const response = await invite();
assert.equal(response.status, 200, `INVITE: ${response.status} ${response.reason}`);
const answer = parseAnswer(response.content);
assert.equal(answer.setup, "passive");
assert.match(answer.channel, /^[^@\s]+@speechrecog$/);
assert.ok(answer.mrcpPort > 0 && answer.rtpPort > 0);
stack.send({
  method: "ACK",
  uri: response.headers.contact?.[0]?.uri ?? target,
  headers: { ...dialog, to: response.headers.to, cseq: { method: "ACK", seq: response.headers.cseq.seq }, via: [] },
});

const channel = await connect(answer);
const started = await channel.request("RECOGNIZE", 1, {
  "content-type": "text/uri-list",
  "cancel-if-queue": "false",
  ...Object.fromEntries(params.map((param) => param.split(/=(.*)/s, 2))),
}, grammar);
const result = { status: started.status_code, state: started.request_state, events: [] };
if (started.status_code === 200) {
  assert.equal(started.request_state, "IN-PROGRESS");
  const sending = stream(file, answer);
  for (;;) {
    const event = await channel.event();
    assert.equal(event.headers["channel-identifier"], answer.channel);
    assert.equal(event.request_id, 1);
    result.events.push(event.event_name);
    if (event.event_name !== "RECOGNITION-COMPLETE") {
      assert.equal(event.event_name, "START-OF-INPUT");
      assert.equal(event.request_state, "IN-PROGRESS");
      continue;
    }
    assert.equal(event.request_state, "COMPLETE");
    result.cause = event.headers["completion-cause"];
    result.contentType = event.headers["content-type"];
    result.body = event.body;
    break;
  }
  sending.stop();
} else {
  result.cause = started.headers["completion-cause"];
  result.reason = started.headers["completion-reason"];
}

const bye = await new Promise((resolve) => stack.send({
  method: "BYE",
  uri: response.headers.contact?.[0]?.uri ?? target,
  headers: { ...dialog, to: response.headers.to, cseq: { method: "BYE", seq: 2 } },
}, resolve));
assert.equal(bye.status, 200, `BYE: ${bye.status}`);
channel.close();
rtp.close();
stack.destroy();
clearTimeout(limit);
console.log(JSON.stringify(result));
process.exit(0);

function fail(error) {
  console.error(error);
  process.exit(1);
}

async function freePort() {
  const server = net.createServer();
  await new Promise((resolve) => server.listen(0, CLIENT, resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function invite() {
  return new Promise((resolve) => {
    stack.send({
      method: "INVITE",
      uri: target,
      headers: { ...dialog, cseq: { method: "INVITE", seq: 1 }, "content-type": "application/sdp" },
      content: offer,
    }, (reply) => reply.status >= 200 && resolve(reply));
  });
}

function parseAnswer(sdp) {
  const of = (pattern) => sdp.match(pattern)?.[1];
  return {
    mrcpPort: Number(of(/^m=application (\d+) TCP\/MRCPv2 1/m)),
    rtpPort: Number(of(/^m=audio (\d+) RTP\/AVP 0/m)),
    setup: of(/^a=setup:(\S+)/m),
    channel: of(/^a=channel:(\S+)/m),
  };
}

// The package's own socket delivers one of several messages that arrive in one segment; its parser and builder behind
// a framing of ours deliver all.
async function connect({ mrcpPort, channel }) {
  const socket = net.connect({ host: SERVER, port: mrcpPort, localAddress: CLIENT });
  await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  let buffered = Buffer.alloc(0);
  const waiting = { response: [], event: [] };
  const arrived = { response: [], event: [] };
  socket.on("data", (data) => {
    buffered = Buffer.concat([buffered, data]);
    while (buffered.length >= 32) {
      const length = mrcp.parser.get_msg_len(buffered);
      if (length === null || buffered.length < length) break;
      const message = mrcp.parser.parse_msg(buffered.subarray(0, length));
      buffered = buffered.subarray(length);
      const take = waiting[message.type].shift();
      if (take) take(message);
      else arrived[message.type].push(message);
    }
  });
  const next = (type) =>
    arrived[type].length
      ? Promise.resolve(arrived[type].shift())
      : new Promise((resolve) => waiting[type].push(resolve));
  return {
    request(method, id, headers, body) {
      socket.write(mrcp.builder.build_request(method, id, { "channel-identifier": channel, ...headers }, body));
      return next("response");
    },
    event: () => next("event"),
    close: () => socket.destroy(),
  };
}

// Sends the file in real time, then digital silence, until stopped.
function stream(name, { rtpPort }) {
  const samples = ulaw(fs.readFileSync(name));
  const started = process.hrtime.bigint();
  let packet = 0;
  const timer = setInterval(() => {
    const due = Number((process.hrtime.bigint() - started) / 20_000_000n);
    for (; packet <= due; packet++) {
      const datagram = Buffer.alloc(12 + 160, 0xff);
      datagram[0] = 0x80;
      datagram[1] = packet === 0 ? 0x80 : 0;
      datagram.writeUInt16BE(packet & 0xffff, 2);
      datagram.writeUInt32BE((packet * 160) >>> 0, 4);
      datagram.writeUInt32BE(0x1f2e3d4c, 8);
      samples.subarray(packet * 160, packet * 160 + 160).copy(datagram, 12);
      rtp.send(datagram, rtpPort, SERVER);
    }
  }, 10);
  return { stop: () => clearInterval(timer) };
}

function ulaw(wav) {
  let at = 12;
  let format;
  for (;;) {
    const id = wav.toString("latin1", at, at + 4);
    const size = wav.readUInt32LE(at + 4);
    if (id === "fmt ") format = wav.readUInt16LE(at + 8);
    if (id === "data") {
      const data = wav.subarray(at + 8, at + 8 + size);
      return format === 7 ? data : encode(data);
    }
    at += 8 + size + (size & 1);
  }
}

function encode(pcm) {
  const out = Buffer.alloc(pcm.length >> 1);
  for (let i = 0; i < out.length; i++) {
    const sample = pcm.readInt16LE(i * 2);
    const sign = sample < 0 ? 0x80 : 0;
    const magnitude = Math.min(Math.abs(sample), 32635) + 132;
    const exponent = 31 - Math.clz32(magnitude >> 7);
    out[i] = ~(sign | (exponent << 4) | ((magnitude >> (exponent + 3)) & 0x0f)) & 0xff;
  }
  return out;
}
