-- Plays a prompt while answerd listens, and stops it as soon as the answer is known.

local label = nil
local confidence = "0.00"

function on_input(session, kind, object)
    if kind ~= "event" or object:getHeader("Speech-Type") ~= "detected-speech" then
        return ""
    end
    local body = object:getBody() or ""
    label = body:match("<input[^>]*>%s*(%a+)%s*</input>")
        or (body:match("Completion%-Cause: 002") and "silence") or "unknown"
    confidence = body:match('confidence="([%d%.]+)"') or confidence
    return "break"
end

session:setInputCallback("on_input", "")
session:execute("detect_speech", "unimrcp:answerd builtin:speech/answer answerd")
session:streamFile(session:getVariable("call_prompt") or "silence_stream://30000")
session:execute("detect_speech", "stop")

session:setVariable("answerd_label", label or "unknown")
session:setVariable("answerd_confidence", confidence)
freeswitch.consoleLog("NOTICE", "answerd: " .. (label or "no result before the prompt's end") .. "\n")
session:transfer("answerd_" .. (label or "unknown"), "XML", session:getVariable("context"))
