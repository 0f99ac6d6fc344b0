-- Asks the first answerd, and where it does not answer or breaks down in the middle, the next one:
--   lua answerd_fallback.lua [N]     N: which of the profiles below, from 1
-- Within each answerd, the rules decide where the model can't; answerd_method says who did: model, rules, or none.
--
-- mod_unimrcp tells at once, or after its request-timeout, that a server is not there. One that vanishes in the middle of a
-- recognition it waits for without limit: so the call is sent on to the extension answerd_fallback_N in time. A server that
-- hangs, its connections open, holds the call longer all the same: request-timeout for STOP, then 32 s for BYE.

local profiles = { "answerd", "answerd-backup" }
-- Longer than the recognition may take: no-input-timeout and recognition-timeout of the grammar, and a second.
local limit_s = tonumber(session:getVariable("answerd_limit_s") or "") or 37
local grammar = session:getVariable("answerd_grammar") or "builtin:speech/answer"

local which = tonumber(argv[1] or "") or 1
local context = session:getVariable("context") or "default"

local function result(profile, following)
    if following <= #profiles + 1 then
        session:execute("sched_transfer",
            string.format("+%d answerd_fallback_%d XML %s", limit_s, following, context))
    end
    session:execute("play_and_detect_speech",
        string.format("silence_stream://-1 detect:unimrcp:%s {fs-uuid=%s,result-detail=true}%s",
            profile, session:get_uuid(), grammar))
    session:execute("sched_cancel")
    return session:getVariable("detect_speech_result") or ""
end

local label, confidence, method
while which <= #profiles and session:ready() and not label do
    local text = result(profiles[which], which + 1)
    if not session:ready() then
        return
    end
    local cause = text:match("Completion%-Cause: (%d+)")
    label = text:match("<input[^>]*>%s*(%a+)%s*</input>")
    confidence = text:match('confidence="([%d%.]+)"')
    method = text:match("<method>(%a+)</method>")
    -- These are answers, too.
    if not label and cause == "002" then
        label = "silence"
    elseif not label and (cause == "001" or cause == "003" or cause == "015") then
        label = "unknown"
    end
    if not label then
        freeswitch.consoleLog("WARNING", "answerd: no result of profile " .. profiles[which] .. " (" ..
            (session:getVariable("current_application_response") or "no response") .. ") " .. text .. "\n")
        which = which + 1
    end
end

session:setVariable("answerd_label", label or "error")
session:setVariable("answerd_confidence", confidence or "0.00")
session:setVariable("answerd_method", method or (label and "rules" or "none"))
session:setVariable("answerd_profile", profiles[which] or "none")
session:transfer("answerd_" .. (label or "error"), "XML", context)
