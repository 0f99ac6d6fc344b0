// Streams a recording over a WebSocket as FreeSWITCH's taps do, in real time, with npm's ws; tells what comes back.
// usage: node stream.mjs URL CA.pem TOKEN FILE.wav (mu-law, 8 kHz, mono)

import { readFileSync } from 'node:fs'
import WebSocket from 'ws'

const [url, ca, token, file] = process.argv.slice(2)
const wav = readFileSync(file)
const mulaw = wav.subarray(wav.indexOf('data') + 8)

// G.711: sign, exponent and mantissa, all inverted.
function linear(byte) {
  const value = ~byte & 0xff
  const magnitude = (((value & 0x0f) << 3) + 0x84 << ((value & 0x70) >> 4)) - 0x84
  return value & 0x80 ? -magnitude : magnitude
}

const socket = new WebSocket(url, { ca: readFileSync(ca), headers: { Authorization: `Bearer ${token}` } })
const told = {}
const give_up = setTimeout(() => { console.error('nothing was decided', told); process.exit(1) }, 60000)

socket.on('open', () => {
  socket.send('{"customer":7}')
  const began = performance.now()
  let at = 0
  const timer = setInterval(() => {
    while (at < (performance.now() - began) * 8) {
      const message = Buffer.alloc(320)
      for (let n = 0; n < 160; n++) message.writeInt16LE(at + n < mulaw.length ? linear(mulaw[at + n]) : 0, n * 2)
      at += 160
      socket.send(message)
    }
  }, 20)
  socket.on('close', () => clearInterval(timer))
})
socket.on('message', (data, binary) => {
  if (binary) throw new Error('a binary message')
  const message = JSON.parse(data.toString())
  told[message.event] = message
  const machine = told.decision?.voicemail_detected
  if (told.decision && (!machine || told.speak_at)) socket.close(1000)
})
socket.on('error', (error) => { console.error(error); process.exit(1) })
socket.on('close', (code) => {
  clearTimeout(give_up)
  console.log(JSON.stringify({ ...told, code }))
})
