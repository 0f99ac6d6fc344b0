//! Requests that need documents, page by page: the rules are in `session/mrcp/held.rs`.

use crate::session::Config;
use crate::session::mrcp::tests::page::{check, check_with};

#[test]
fn a_grammar_is_fetched() {
    check(
        r#"
0.000 > RECOGNIZE 1   | http://h/g.grxml
0.000 ! fetch 1 grammar http://h/g.grxml timeout=5000
0.300 # fetched 1 application/srgs+xml | <grammar root="r"><rule id="r">human<tag>yes</tag></rule></grammar>
0.300 < 1 200 IN-PROGRESS
0.300 ! listen 1 answer accepts=human
1.000 * 1 decided human 0.9
1.000 < RECOGNITION-COMPLETE 1 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "told"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="http://h/g.grxml"><interpretation confidence="0.90"><instance>yes</instance><input mode="speech" confidence="0.90">human</input></interpretation></result>
2.000 > DEFINE-GRAMMAR 2   Content-ID: a   | https://h/g.grxml
2.000 ! fetch 2 grammar https://h/g.grxml timeout=5000
2.300 # fetched 2 | <grammar root="r"><rule id="r">machine</rule></grammar>
2.300 < 2 200 COMPLETE   Completion-Cause: 000 success
3.000 > INTERPRET 3   Interpret-Text: human   | file:///g.grxml
3.000 ! fetch 3 grammar file:///g.grxml timeout=5000
3.300 # fetched 3 | <grammar root="r"><rule id="r">human</rule></grammar>
3.300 < 3 200 IN-PROGRESS
3.300 < INTERPRETATION-COMPLETE 3 COMPLETE   Completion-Cause: 000 success   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="file:///g.grxml"><interpretation><instance>human</instance><input>human</input></interpretation></result>
"#,
    );
}

#[test]
fn what_a_document_refers_to_is_fetched() {
    check(
        r#"
0.000 > RECOGNIZE 1   | http://h/a.grxml\nhttp://h/b.grxml
0.000 ! fetch 1 grammar http://h/a.grxml timeout=5000
0.000 ! fetch 2 grammar http://h/b.grxml timeout=5000
0.100 # fetched 2 | <grammar root="r"><rule id="r"><ruleref uri="words/c.grxml"/></rule></grammar>
0.200 # fetched 1 | <grammar root="r"><rule id="r">human</rule></grammar>
0.200 ! fetch 3 grammar http://h/words/c.grxml timeout=5000
0.300 # fetched 3 | <grammar root="r"><rule id="r">machine</rule></grammar>
0.300 < 1 200 IN-PROGRESS
0.300 ! listen 1 answer accepts=human,machine
0.400 > STOP 2
0.400 ! unlisten 1
0.400 < 2 200 COMPLETE   Active-Request-Id-List: 1
0.500 > RECOGNIZE 3   Content-Base: http://base/x/   Content-Type: application/srgs+xml   Content-ID: i   | <grammar root="r"><rule id="r"><ruleref uri="y.grxml"/></rule></grammar>
0.500 ! fetch 4 grammar http://base/x/y.grxml timeout=5000
0.600 # fetched 4 | <grammar root="r"><rule id="r">fax</rule></grammar>
0.600 < 3 200 IN-PROGRESS
0.600 ! listen 2 answer accepts=fax
"#,
    );
}

#[test]
fn a_document_that_can_not_be_had() {
    check(
        r#"
0.000 > RECOGNIZE 1   | http://h/a.grxml\nhttp://h/b.grxml
0.000 ! fetch 1 grammar http://h/a.grxml timeout=5000
0.000 ! fetch 2 grammar http://h/b.grxml timeout=5000
0.100 # failed 2 404
0.100 ! cancel-fetch 1
0.100 < 1 407 COMPLETE   Completion-Cause: 009 uri-failure   Completion-Reason: "it says 404"   Failed-URI: http://h/b.grxml   Failed-URI-Cause: 404
0.200 # fetched 1 | <grammar root="r"><rule id="r">human</rule></grammar>
1.000 > DEFINE-GRAMMAR 2   Content-ID: a   | http://h/a.grxml
1.000 ! fetch 3 grammar http://h/a.grxml timeout=5000
1.100 # failed 3 not-allowed
1.100 < 2 407 COMPLETE   Completion-Cause: 009 uri-failure   Completion-Reason: "it says not-allowed"   Failed-URI: http://h/a.grxml   Failed-URI-Cause: not-allowed
2.000 > RECOGNIZE 3   | http://h/a.grxml
2.000 ! fetch 4 grammar http://h/a.grxml timeout=5000
2.100 # fetched 4 | <grammar root="r"><rule id="x">human</rule></grammar>
2.100 < 3 407 COMPLETE   Completion-Cause: 005 grammar-compilation-failure   Completion-Reason: "http://h/a.grxml: SRGS: the root rule r is not defined"
3.000 > RECOGNIZE 4   | http://h/a.grxml
3.000 ! fetch 5 grammar http://h/a.grxml timeout=5000
3.100 # fetched 5 text/html | <html/>
3.100 < 4 407 COMPLETE   Completion-Cause: 005 grammar-compilation-failure   Completion-Reason: "http://h/a.grxml: SRGS: the root element is <html>, not <grammar> (before octet 7)"
4.000 > INTERPRET 5   Interpret-Text: human   | http://h/a.grxml
4.000 ! fetch 6 grammar http://h/a.grxml timeout=5000
4.100 # failed 6 timeout
4.100 < 5 407 COMPLETE   Completion-Cause: 009 uri-failure   Completion-Reason: "it says timeout"   Failed-URI: http://h/a.grxml   Failed-URI-Cause: timeout
"#,
    );
}

#[test]
fn a_document_that_does_not_come() {
    check(
        r#"
0.000 > RECOGNIZE 1   | http://h/a.grxml
0.000 ! fetch 1 grammar http://h/a.grxml timeout=5000
5.000 ! cancel-fetch 1
5.000 < 1 407 COMPLETE   Completion-Cause: 009 uri-failure   Completion-Reason: "http://h/a.grxml did not come in time"   Failed-URI: http://h/a.grxml   Failed-URI-Cause: timeout
6.000 > RECOGNIZE 2   Fetch-Timeout: 1000   | http://h/a.grxml
6.000 ! fetch 2 grammar http://h/a.grxml timeout=1000
7.000 ! cancel-fetch 2
7.000 < 2 407 COMPLETE   Completion-Cause: 009 uri-failure   Completion-Reason: "http://h/a.grxml did not come in time"   Failed-URI: http://h/a.grxml   Failed-URI-Cause: timeout
8.000 > SET-PARAMS 3   Fetch-Timeout: 60000
8.000 < 3 200 COMPLETE
8.000 > DEFINE-GRAMMAR 4   Content-ID: a   | http://h/a.grxml
8.000 ! fetch 3 grammar http://h/a.grxml timeout=8000
16.000 ! cancel-fetch 3
16.000 < 4 407 COMPLETE   Completion-Cause: 009 uri-failure   Completion-Reason: "http://h/a.grxml did not come in time"   Failed-URI: http://h/a.grxml   Failed-URI-Cause: timeout
17.000 > RECOGNIZE 5   Fetch-Timeout: 0   | http://h/a.grxml
17.000 < 5 407 COMPLETE   Completion-Cause: 009 uri-failure   Completion-Reason: "http://h/a.grxml did not come in time"   Failed-URI: http://h/a.grxml   Failed-URI-Cause: timeout
18.000 # fetched 3 | <grammar root="r"><rule id="r">human</rule></grammar>
"#,
    );
}

#[test]
fn all_documents_together_have_a_time() {
    check_with(
        Config { fetch_timeout_ms: 2000, max_fetching_ms: 3000, ..Config::default() },
        r#"
0.000 > RECOGNIZE 1   | http://h/a.grxml
0.000 ! fetch 1 grammar http://h/a.grxml timeout=2000
1.900 # fetched 1 | <grammar root="r"><rule id="r"><ruleref uri="http://h/b.grxml"/></rule></grammar>
1.900 ! fetch 2 grammar http://h/b.grxml timeout=1100
3.000 ! cancel-fetch 2
3.000 < 1 407 COMPLETE   Completion-Cause: 009 uri-failure   Completion-Reason: "http://h/b.grxml did not come in time"   Failed-URI: http://h/b.grxml   Failed-URI-Cause: timeout
4.000 # wait
"#,
    );
}

#[test]
fn requests_behind_a_held_one_wait_in_order() {
    check_with(
        Config { max_waiting: 4, ..Config::default() },
        r#"
0.000 > DEFINE-GRAMMAR 1   Content-ID: a   | http://h/a.grxml
0.000 ! fetch 1 grammar http://h/a.grxml timeout=5000
0.100 > RECOGNIZE 2   | session:a
0.200 > RECOGNIZE 3   | http://h/b.grxml
0.200 ! fetch 2 grammar http://h/b.grxml timeout=5000
0.300 > START-INPUT-TIMERS 4
0.400 > GET-PARAMS 5   No-Input-Timeout:
0.500 > GET-PARAMS 6   No-Input-Timeout:
0.500 < 6 402 COMPLETE   Completion-Reason: "too many requests wait for documents"
1.000 # fetched 2 | <grammar root="r"><rule id="r">human</rule></grammar>
2.000 # fetched 1 | <grammar root="r"><rule id="r">machine</rule></grammar>
2.000 < 1 200 COMPLETE   Completion-Cause: 000 success
2.000 < 2 200 IN-PROGRESS
2.000 ! listen 1 answer accepts=machine
2.000 < 3 200 PENDING
2.000 < 4 200 COMPLETE
2.000 < 5 200 COMPLETE   No-Input-Timeout: 5000
3.000 * 1 decided machine 0.9
3.000 < RECOGNITION-COMPLETE 2 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "told"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="session:a"><interpretation confidence="0.90"><instance>machine</instance><input mode="speech" confidence="0.90">machine</input></interpretation></result>
3.000 ! listen 2 answer accepts=human
"#,
    );
}

#[test]
fn stop_ends_what_is_held() {
    check(
        r#"
0.000 > RECOGNIZE 1   | builtin:speech/answer
0.000 < 1 200 IN-PROGRESS
0.000 ! listen 1 answer
0.100 > RECOGNIZE 2   | http://h/a.grxml
0.100 ! fetch 1 grammar http://h/a.grxml timeout=5000
0.200 > RECOGNIZE 3   | builtin:speech/beep
0.300 > GET-PARAMS 4   No-Input-Timeout:
0.400 > INTERPRET 5   Interpret-Text: human   | http://h/b.grxml
0.400 ! fetch 2 grammar http://h/b.grxml timeout=5000
0.500 > STOP 6
0.500 ! cancel-fetch 1
0.500 < 2 407 COMPLETE   Completion-Cause: 011 cancelled   Completion-Reason: "stopped by STOP 6 before it began"
0.500 < 3 407 COMPLETE   Completion-Cause: 011 cancelled   Completion-Reason: "stopped by STOP 6 before it began"
0.500 ! cancel-fetch 2
0.500 < 5 407 COMPLETE   Completion-Cause: 011 cancelled   Completion-Reason: "stopped by STOP 6 before it began"
0.500 < 4 200 COMPLETE   No-Input-Timeout: 5000
0.500 ! unlisten 1
0.500 < 6 200 COMPLETE   Active-Request-Id-List: 1
0.600 # fetched 1 | <grammar root="r"><rule id="r">human</rule></grammar>
1.000 > RECOGNIZE 7   | http://h/a.grxml
1.000 ! fetch 3 grammar http://h/a.grxml timeout=5000
1.100 > RECOGNIZE 8   | http://h/b.grxml
1.100 ! fetch 4 grammar http://h/b.grxml timeout=5000
1.200 > STOP 9   Active-Request-Id-List: 8
1.200 ! cancel-fetch 4
1.200 < 8 407 COMPLETE   Completion-Cause: 011 cancelled   Completion-Reason: "stopped by STOP 9 before it began"
1.200 < 9 200 COMPLETE
1.300 > STOP 10   Active-Request-Id-List: 7
1.300 ! cancel-fetch 3
1.300 < 7 407 COMPLETE   Completion-Cause: 011 cancelled   Completion-Reason: "stopped by STOP 10 before it began"
1.300 < 10 200 COMPLETE
"#,
    );
}

#[test]
fn nobody_waits_any_more() {
    check(
        r#"
0.000 >2 RECOGNIZE 1   | http://h/a.grxml
0.000 ! fetch 1 grammar http://h/a.grxml timeout=5000
0.100 >3 GET-PARAMS 2   No-Input-Timeout:
0.200 # disconnect 2
0.200 ! cancel-fetch 1
0.200 <3 2 200 COMPLETE   No-Input-Timeout: 5000
0.300 # fetched 1 | <grammar root="r"><rule id="r">human</rule></grammar>
1.000 >3 RECOGNIZE 3   | http://h/a.grxml
1.000 ! fetch 2 grammar http://h/a.grxml timeout=5000
1.100 # remove-channel
1.100 ! cancel-fetch 2
1.200 # fetched 2 | <grammar root="r"><rule id="r">human</rule></grammar>
"#,
    );
}

#[test]
fn the_server_goes_down_while_one_is_held() {
    check(
        r#"
0.000 > RECOGNIZE 1   | http://h/a.grxml
0.000 ! fetch 1 grammar http://h/a.grxml timeout=5000
0.100 > SET-PARAMS 2   No-Input-Timeout: 1000
0.200 # drain
0.200 ! cancel-fetch 1
0.200 < 1 407 COMPLETE   Completion-Cause: 006 recognizer-error   Completion-Reason: "the server is shutting down"
0.200 < 2 200 COMPLETE
0.300 > DEFINE-GRAMMAR 3   Content-ID: a   | builtin:speech/answer
0.300 < 3 407 COMPLETE   Completion-Cause: 016 grammar-definition-failure   Completion-Reason: "the server is shutting down"
0.400 > INTERPRET 4   Interpret-Text: human   | builtin:speech/answer
0.400 < 4 407 COMPLETE   Completion-Cause: 006 recognizer-error   Completion-Reason: "the server is shutting down"
"#,
    );
}

#[test]
fn how_a_document_is_fetched() {
    check(
        r#"
0.000 > SET-PARAMS 1   Fetch-Timeout: 2000   Cache-Control: max-age=60   Set-Cookie: a=1; Domain=h; Path=/
0.000 < 1 200 COMPLETE
0.000 > GET-PARAMS 2   Cache-Control:   Set-Cookie:   Fetch-Timeout:
0.000 < 2 200 COMPLETE   Cache-Control: max-age=60   Set-Cookie: a=1; Domain=h; Path=/   Fetch-Timeout: 2000
0.000 > RECOGNIZE 3   Cache-Control: max-stale   Set-Cookie: b=2   | http://h/a.grxml
0.000 ! fetch 1 grammar http://h/a.grxml timeout=2000 cache=max-stale cookie=a=1; Domain=h; Path=/ cookie=b=2
0.100 # fetched 1 cookie=c=3;Domain=h cookie=a=4;Domain=h;Path=/ | <grammar root="r"><rule id="r">human</rule></grammar>
0.100 < 3 200 IN-PROGRESS
0.100 ! listen 1 answer accepts=human
1.000 * 1 decided human 0.9
1.000 < RECOGNITION-COMPLETE 3 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "told"   Set-Cookie: c=3;Domain=h   Set-Cookie: a=4;Domain=h;Path=/   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="http://h/a.grxml"><interpretation confidence="0.90"><instance>human</instance><input mode="speech" confidence="0.90">human</input></interpretation></result>
2.000 > DEFINE-GRAMMAR 4   Content-ID: a   | http://h/b.grxml
2.000 ! fetch 2 grammar http://h/b.grxml timeout=2000 cache=max-age=60 cookie=c=3;Domain=h cookie=a=4;Domain=h;Path=/ cookie=b=2
2.100 # failed 2 500
2.100 < 4 407 COMPLETE   Completion-Cause: 009 uri-failure   Completion-Reason: "it says 500"   Failed-URI: http://h/b.grxml   Failed-URI-Cause: 500
3.000 > GET-PARAMS 5   Set-Cookie:
3.000 < 5 200 COMPLETE   Set-Cookie: c=3;Domain=h   Set-Cookie: a=4;Domain=h;Path=/   Set-Cookie: b=2
"#,
    );
}

#[test]
fn sound_is_fetched() {
    check(
        r#"
0.000 > RECOGNIZE 1   Input-Waveform-URI: http://h/w.wav   | builtin:speech/answer
0.000 ! fetch 1 waveform http://h/w.wav timeout=5000
0.100 # fetched 1 wav
0.100 < 1 200 IN-PROGRESS
0.100 ! listen 1 answer waveform=80
1.000 * 1 decided human 0.9
1.000 < RECOGNITION-COMPLETE 1 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "told"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="builtin:speech/answer"><interpretation confidence="0.90"><instance>human<answer xmlns="urn:answerd:result"><label>human</label><confidence>0.90</confidence><reason>told</reason><method>rules</method><decided_at_s>1</decided_at_s></answer></instance><input mode="speech" confidence="0.90">human</input></interpretation></result>
2.000 > RECOGNIZE 2   Input-Waveform-URI: http://h/w.wav   | http://h/a.grxml
2.000 ! fetch 2 grammar http://h/a.grxml timeout=5000
2.000 ! fetch 3 waveform http://h/w.wav timeout=5000
2.100 # fetched 3 audio/wav | nonsense
2.200 # fetched 2 | <grammar root="r"><rule id="r">human</rule></grammar>
2.200 < 2 407 COMPLETE   Completion-Cause: 006 recognizer-error   Completion-Reason: "audio/wav is no sound that can be read: WAV and audio/basic are"
3.000 > RECOGNIZE 3   Input-Waveform-URI: http://h/w.wav   | builtin:speech/answer
3.000 ! fetch 4 waveform http://h/w.wav timeout=5000
3.100 # failed 4 410
3.100 < 3 407 COMPLETE   Completion-Cause: 009 uri-failure   Completion-Reason: "it says 410"   Failed-URI: http://h/w.wav   Failed-URI-Cause: 410
4.000 > RECOGNIZE 4   Input-Waveform-URI: session:w   | builtin:speech/answer
4.000 < 4 407 COMPLETE   Completion-Cause: 009 uri-failure   Completion-Reason: "session:w is not fetched: http, https and file are"   Failed-URI: session:w   Failed-URI-Cause: not-supported
5.000 > DEFINE-GRAMMAR 5   Content-ID: a   Input-Waveform-URI: http://h/w.wav   | builtin:speech/answer
5.000 < 5 201 COMPLETE   Completion-Cause: 000 success
"#,
    );
}
