"""Streams with PyPI's websockets: all sound at once and one answer, and Twilio's messages; tells what comes back as JSON.

usage: stream.py once|twilio URL CA.pem TOKEN FILE.wav (mu-law, 8 kHz, mono)
"""

import asyncio
import base64
import json
import ssl
import struct
import sys

import websockets

kind, url, ca, token, path = sys.argv[1:]
wav = open(path, "rb").read()
mulaw = wav[wav.index(b"data") + 8 :]
context = ssl.create_default_context(cafile=ca)


def linear(byte):
    value = ~byte & 0xFF
    magnitude = (((value & 0x0F) << 3) + 0x84 << ((value & 0x70) >> 4)) - 0x84
    return -magnitude if value & 0x80 else magnitude


async def once():
    headers = {"Authorization": f"Bearer {token}"}
    async with websockets.connect(url, ssl=context, additional_headers=headers) as socket:
        await socket.send(b"".join(struct.pack("<h", linear(byte)) for byte in mulaw[:32000]))
        return json.loads(await asyncio.wait_for(socket.recv(), timeout=2.0))


async def twilio():
    async with websockets.connect(url, ssl=context) as socket:
        await socket.send(json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"}))
        start = {
            "streamSid": "MZ1",
            "callSid": "CA1",
            "tracks": ["inbound"],
            "customParameters": {"token": token},
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        }
        await socket.send(json.dumps({"event": "start", "sequenceNumber": "1", "streamSid": "MZ1", "start": start}))
        for number, at in enumerate(range(0, len(mulaw), 160)):
            payload = base64.b64encode(mulaw[at : at + 160]).decode()
            media = {"track": "inbound", "chunk": str(number + 1), "timestamp": str(number * 20), "payload": payload}
            await socket.send(json.dumps({"event": "media", "streamSid": "MZ1", "media": media}))
            await asyncio.sleep(0.02)
        await socket.send(json.dumps({"event": "stop", "streamSid": "MZ1", "stop": {"callSid": "CA1"}}))
        said = [message async for message in socket]
        return {"said": said, "code": socket.close_code, "reason": socket.close_reason}


print(json.dumps(asyncio.run({"once": once, "twilio": twilio}[kind]())))
