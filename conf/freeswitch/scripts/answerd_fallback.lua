-- Asks the first answerd, and where it does not answer or breaks down in the middle, the next one:
--   lua answerd_fallback.lua [N]     N: which of the servers below, from 1
-- Within each answerd, the rules decide where the model can't; answerd_method says who did: model, rules, or none.
--
-- Three things bound how long a server that is gone, or hangs with its connections open, can hold a call:
-- * before a call goes to it, it is asked whether it would take one (ops.listen of its settings; 1 s). One that is full or stops
--   says no, too. This needs mod_curl; without it nothing is asked.
-- * while it listens, answerd_watch.lua asks it every second; where it fails to answer twice, the call goes on to the extension
--   answerd_fallback_N of the next server. After limit_s it does so in any case: mod_unimrcp itself waits without limit.
-- * before the call can go on, mod_unimrcp waits for an answer to STOP (request-timeout of unimrcp.conf.xml, 2 s in this file) and to
--   BYE: 32 s, as nothing sets SIP's timers there, or until the server's sockets are closed. So let a server that hangs be ended soon:
--   conf/systemd/answerd.service has it done after 5 s (WatchdogSec).

local servers = {
    { profile = "answerd", ready = "http://127.0.0.1:9464/readyz" },
    { profile = "answerd-backup", ready = "http://127.0.0.1:9465/readyz" },
}
-- Longer than the recognition may take: no-input-timeout and recognition-timeout of the grammar, and a second.
local limit_s = tonumber(session:getVariable("answerd_limit_s") or "") or 37
local grammar = session:getVariable("answerd_grammar") or "builtin:speech/answer"

local which = tonumber(argv[1] or "") or 1
local context = session:getVariable("context") or "default"
local uuid = session:get_uuid()
local api = freeswitch.API()

-- Whether a server would take a call now; one that can't be asked is tried.
local function is_ready(server)
    local said = api:executeString("curl " .. server.ready .. " connect-timeout 1 timeout 1") or ""
    return said:find('"ready":true', 1, true) ~= nil or said:find("ommand not found", 1, true) ~= nil
end

-- FreeSWITCH keeps a call's recognizer open, and the next recognition goes to it whatever profile that names: it is closed first.
-- Closing leaves an event, which would end the next recognition at once: it is taken out here.
function on_left_over(session, kind, object)
    return ""
end

local function close_recognizer()
    session:execute("detect_speech", "stop")
    session:setInputCallback("on_left_over", "")
    session:sleep(100)
    session:unsetInputCallback()
end

local function result(number, server)
    if number > 1 then
        close_recognizer()
    end
    session:execute("sched_transfer", string.format("+%d answerd_fallback_%d XML %s", limit_s, number + 1, context))
    session:setVariable("answerd_watched", tostring(number))
    api:executeString(string.format("luarun answerd_watch.lua %s %d %s %s", uuid, number, server.ready, context))
    session:execute("play_and_detect_speech",
        string.format("silence_stream://-1 detect:unimrcp:%s {fs-uuid=%s,result-detail=true}%s",
            server.profile, uuid, grammar))
    session:setVariable("answerd_watched", "")
    session:execute("sched_cancel")
    return session:getVariable("detect_speech_result") or ""
end

local label, confidence, method
while which <= #servers and session:ready() and not label do
    local server = servers[which]
    local text = ""
    if is_ready(server) then
        text = result(which, server)
    end
    if not session:ready() then
        return
    end
    local cause = text:match("Completion%-Cause: (%d+)")
    label = text:match("<input[^>]*>%s*(%a+)%s*</input>")
    confidence = text:match('confidence="([%d%.]+)"')
    method = text:match("<method>(%a+)</method>")
    -- These are answers, too. A later server may hear silence alone where the first one broke down after somebody had spoken.
    if not label and cause == "002" then
        label = which > 1 and "unknown" or "silence"
    elseif not label and (cause == "001" or cause == "003" or cause == "015") then
        label = "unknown"
    end
    if not label then
        freeswitch.consoleLog("WARNING", "answerd: no result of profile " .. server.profile .. " (" ..
            (text == "" and "not ready, or no response" or text) .. ")\n")
        which = which + 1
    end
end

session:setVariable("answerd_label", label or "error")
session:setVariable("answerd_confidence", confidence or "0.00")
session:setVariable("answerd_method", method or (label and "rules" or "none"))
session:setVariable("answerd_profile", servers[which] and servers[which].profile or "none")
session:transfer("answerd_" .. (label or "error"), "XML", context)
