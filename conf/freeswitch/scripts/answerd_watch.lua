-- Watches a server while a call is with it, and sends the call on to the next one where it fails to answer:
--   luarun answerd_watch.lua UUID N READY-URL CONTEXT
-- Started by answerd_fallback.lua; ends when the channel's answerd_watched is not N any more, or the call is gone. Needs mod_curl.

local uuid, number, url, context = argv[1], argv[2], argv[3], argv[4]
-- Failures in a row after which it is gone.
local failures_allowed = 2
local api = freeswitch.API()
local failures = 0

while true do
    freeswitch.msleep(1000)
    -- Of a channel that is gone this is an error text.
    if api:executeString("uuid_getvar " .. uuid .. " answerd_watched") ~= number then
        return
    end
    local said = api:executeString("curl " .. url .. " connect-timeout 1 timeout 1") or ""
    if said:find("ommand not found", 1, true) then
        return
    end
    -- One that is full or stops answers, and finishes what it has.
    failures = said:find('"ready":', 1, true) and 0 or failures + 1
    if failures >= failures_allowed then
        freeswitch.consoleLog("WARNING", "answerd: " .. url .. " does not answer, the call " .. uuid .. " goes on\n")
        api:executeString(string.format("uuid_transfer %s answerd_fallback_%d XML %s", uuid, number + 1, context))
        return
    end
end
