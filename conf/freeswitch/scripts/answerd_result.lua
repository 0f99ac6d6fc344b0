-- Reads the result that play_and_detect_speech left in detect_speech_result and sets channel variables from it:
--   answerd_label       human, machine, screening, ivr, fax, sit, busy, ringback, music, silence, unknown or error
--   answerd_confidence  0.00 to 1.00
--   answerd_method      model or rules; empty where the grammar leaves it out (builtin:speech/boolean without result-detail)
--   answerd_cause       Completion-Cause when there is no label: 001 no match, 002 nothing heard, ...

local result = session:getVariable("detect_speech_result") or ""
local label = result:match("<input[^>]*>%s*(%a+)%s*</input>")
local confidence = result:match('confidence="([%d%.]+)"')
-- Over MRCPv1 confidences are percentages.
if tonumber(confidence or 0) > 1 then
    confidence = string.format("%.2f", confidence / 100)
end
local cause = result:match("Completion%-Cause: (%d+)")

if not label then
    if cause == "002" then
        label = "silence"
    elseif cause == "001" or cause == "003" or cause == "015" then
        label = "unknown"
    else
        label = "error"
        freeswitch.consoleLog("WARNING", "answerd: no result (" ..
            (session:getVariable("current_application_response") or "no response") .. ") " .. result .. "\n")
    end
end

session:setVariable("answerd_label", label)
session:setVariable("answerd_confidence", confidence or "0.00")
session:setVariable("answerd_method", result:match("<method>(%a+)</method>") or "")
session:setVariable("answerd_cause", cause or "000")
