-- Who answered, without MRCP: sends the call's sound to answerd over a WebSocket, and waits for the channel variables that answerd
-- sets over the Event Socket ([esl] of its settings has this FreeSWITCH among its servers).
--   lua answerd_tap.lua [URL]     URL: of streams.listen; the call's uuid is put behind it
-- Needs mod_audio_stream; with mod_audio_fork the API is uuid_audio_fork, and the rest is the same.

local url = argv[1] or "ws://127.0.0.1:8080/stream/"
-- Longer than a decision takes: recognizer.no_input_timeout_ms and recognition_timeout_ms, and a second.
local limit_ms = (tonumber(session:getVariable("answerd_limit_s") or "") or 37) * 1000
local uuid = session:get_uuid()
local context = session:getVariable("context") or "default"
local api = freeswitch.API()

session:setVariable("answerd_result", "")
-- "mono": the far end alone. "stereo" and "mixed" bring nothing while nothing is played to it.
local begun = api:executeString(string.format("uuid_audio_stream %s start %s%s?rate=8000&goal=answer mono 8k", uuid, url, uuid))
    or ""

local label = ""
if begun:find("+OK", 1, true) then
    local waited = 0
    while session:ready() and label == "" and waited < limit_ms do
        session:execute("playback", "silence_stream://200")
        waited = waited + 200
        -- Told first as likely, where esl.provisional is set: only what is final counts.
        if session:getVariable("answerd_stage") ~= "provisional" then
            label = session:getVariable("answerd_result") or ""
        end
    end
    api:executeString("uuid_audio_stream " .. uuid .. " stop")
else
    freeswitch.consoleLog("WARNING", "answerd: no tap: " .. begun .. "\n")
end
if not session:ready() then
    return
end
session:setVariable("answerd_label", label ~= "" and label or "error")
session:transfer("answerd_" .. (label ~= "" and label or "error"), "XML", context)
