// Many streams at once over a WebSocket, by hand: how many are decided, and how long after the sound that decides.
// usage: node crowd.mjs URL STREAMS FILE.wav (mu-law, 8 kHz, mono) [TOKEN]; npm's ws must be found from here.
//
// Streams begin over five seconds, send 100 ms of sound at a time in real time, and then silence.

import { readFileSync } from 'node:fs'
import WebSocket from 'ws'

const [url, streams, file, token] = process.argv.slice(2)
const wav = readFileSync(file)
const mulaw = wav.subarray(wav.indexOf('data') + 8)
const MESSAGE = 800
const SPREAD_MS = 5000
const silence = Buffer.alloc(MESSAGE, 0xff)
const count = Number(streams)
const tally = { opened: 0, refused: 0, decided: 0, spoken: 0, lost: 0, labels: {} }
const late = []
let open = 0
let most = 0

function one(n) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {}
  const socket = new WebSocket(`${url}/stream/crowd-${n}?rate=8000&format=pcmu`, { headers, perMessageDeflate: false })
  let began
  let timer
  let done = false
  socket.on('open', () => {
    tally.opened++
    most = Math.max(most, ++open)
    began = performance.now()
    let at = 0
    timer = setInterval(() => {
      while (at <= (performance.now() - began) * 8 - MESSAGE) {
        socket.send(at + MESSAGE <= mulaw.length ? mulaw.subarray(at, at + MESSAGE) : silence)
        at += MESSAGE
      }
    }, 100)
  })
  socket.on('message', (data) => {
    const message = JSON.parse(data)
    if (message.event === 'decision') {
      tally.decided++
      tally.labels[message.label] = (tally.labels[message.label] ?? 0) + 1
      late.push(performance.now() - began - message.decided_at_s * 1000)
    }
    if (message.event === 'speak_at') {
      tally.spoken++
      done = true
      socket.close(1000)
    }
  })
  socket.on('unexpected-response', () => tally.refused++)
  socket.on('error', () => {})
  socket.on('close', () => {
    clearInterval(timer)
    if (began !== undefined) open--
    if (began !== undefined && !done) tally.lost++
  })
}

for (let n = 0; n < count; n++) setTimeout(one, (n * SPREAD_MS) / count, n)
setTimeout(() => {
  late.sort((a, b) => a - b)
  const at = (share) => Math.round(late[Math.min(late.length - 1, Math.floor(late.length * share))] ?? NaN)
  console.log(JSON.stringify({ ...tally, most_at_once: most, late_ms: { median: at(0.5), p95: at(0.95), p99: at(0.99), most: at(1) } }))
  process.exit(0)
}, SPREAD_MS + mulaw.length / 8 + 20000)
