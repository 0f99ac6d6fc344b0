//! What each header does, page by page: RFC 6787 sections 6.2 and 9.4.

use crate::session::mrcp::tests::page::check;

#[test]
fn what_detection_is_asked_for() {
    check(
        r#"
0.000 > RECOGNIZE 1   Speech-Complete-Timeout: 800   Speech-Incomplete-Timeout: 1500   Early-No-Match: true   Sensitivity-Level: 0.7   Speed-Vs-Accuracy: 0.1   Start-Input-Timers: false   Recognition-Timeout: 7000   | builtin:speech/answer
0.000 < 1 200 IN-PROGRESS
0.000 ! listen 1 answer sensitivity=0.7 speed=0.1 recognition=7000 complete=800 incomplete=1500 early-no-match=true timers=false
0.100 > STOP 2
0.100 ! unlisten 1
0.100 < 2 200 COMPLETE   Active-Request-Id-List: 1
0.200 > SET-PARAMS 3   Speech-Incomplete-Timeout: 2500
0.200 < 3 200 COMPLETE
0.300 > RECOGNIZE 4   | builtin:speech/answer
0.300 < 4 200 IN-PROGRESS
0.300 ! listen 2 answer incomplete=2500
"#,
    );
}

#[test]
fn recordings() {
    check(
        r#"
0.000 > RECOGNIZE 1   Save-Waveform: true   Media-Type: audio/basic   | builtin:speech/boolean
0.000 < 1 200 IN-PROGRESS
0.000 ! listen 1 answer accepts=human,machine,screening,ivr record=audio/basic
1.000 * 1 recorded http://h/w/1.au 8024 1000
1.000 * 1 decided human 0.9
1.000 < RECOGNITION-COMPLETE 1 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "told"   Waveform-URI: <http://h/w/1.au>;size=8024;duration=1000   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="builtin:speech/boolean"><interpretation confidence="0.90"><instance>false</instance><input mode="speech" confidence="0.90">human</input></interpretation></result>
1.100 > GET-RESULT 2
1.100 < 2 200 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "told"   Waveform-URI: <http://h/w/1.au>;size=8024;duration=1000   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="builtin:speech/boolean"><interpretation confidence="0.90"><instance>false</instance><input mode="speech" confidence="0.90">human</input></interpretation></result>
2.000 > SET-PARAMS 3   Save-Waveform: true
2.000 < 3 200 COMPLETE
2.000 > RECOGNIZE 4   | builtin:speech/boolean
2.000 < 4 200 IN-PROGRESS
2.000 ! listen 2 answer accepts=human,machine,screening,ivr record=audio/wav
2.500 * 1 recorded http://h/w/late.au 8024 1000
3.000 * 2 decided fax 0.9
3.000 < RECOGNITION-COMPLETE 4 COMPLETE   Completion-Cause: 001 no-match   Completion-Reason: "fax 0.90 is not in the grammar: told"   Waveform-URI:
4.000 > RECOGNIZE 5   Save-Waveform: false   | builtin:speech/boolean
4.000 < 5 200 IN-PROGRESS
4.000 ! listen 3 answer accepts=human,machine,screening,ivr
4.100 > STOP 6
4.100 ! unlisten 3
4.100 < 6 200 COMPLETE   Active-Request-Id-List: 5
5.000 > RECOGNIZE 7   Media-Type: audio/x-wav   | builtin:speech/boolean
5.000 < 7 200 IN-PROGRESS
5.000 ! listen 4 answer accepts=human,machine,screening,ivr record=audio/x-wav
5.100 > STOP 8
5.100 ! unlisten 4
5.100 < 8 200 COMPLETE   Active-Request-Id-List: 7
6.000 > RECOGNIZE 9   Media-Type: audio/mpeg   | builtin:speech/boolean
6.000 < 9 409 COMPLETE   Completion-Cause: 006 recognizer-error   Media-Type: audio/mpeg
"#,
    );
}

#[test]
fn accept() {
    check(
        r#"
0.000 > SET-PARAMS 1   Accept: application/emma+xml
0.000 < 1 409 COMPLETE   Accept: application/emma+xml
0.000 > SET-PARAMS 2   Accept-Charset: iso-8859-1
0.000 < 2 409 COMPLETE   Accept-Charset: iso-8859-1
0.000 > SET-PARAMS 3   Accept: application/json   Accept-Charset: utf-8
0.000 < 3 200 COMPLETE
0.000 > RECOGNIZE 4   | builtin:speech/boolean
0.000 < 4 200 IN-PROGRESS
0.000 ! listen 1 answer accepts=human,machine,screening,ivr
1.000 * 1 decided human 0.9
1.000 < RECOGNITION-COMPLETE 4 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "told"   Content-Type: application/json   | {"value":"false","label":"human","confidence":0.9,"grammar":"builtin:speech/boolean"}
1.100 > GET-RESULT 5   Accept: application/nlsml+xml
1.100 < 5 200 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "told"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="builtin:speech/boolean"><interpretation confidence="0.90"><instance>false</instance><input mode="speech" confidence="0.90">human</input></interpretation></result>
1.200 > RECOGNIZE 6   Accept: text/plain, application/xml;q=0.5   | builtin:speech/boolean
1.200 < 6 409 COMPLETE   Completion-Cause: 006 recognizer-error   Accept: text/plain, application/xml;q=0.5
1.300 > RECOGNIZE 7   Accept-Charset: utf-8;q=0   | builtin:speech/boolean
1.300 < 7 409 COMPLETE   Completion-Cause: 006 recognizer-error   Accept-Charset: utf-8;q=0
"#,
    );
}

#[test]
fn parameters_that_nobody_knows_are_kept() {
    check(
        r#"
0.000 > SET-PARAMS 1   Vendor-Specific-Parameters: com.example.a=1;b=2   Logging-Tag: call 7
0.000 < 1 200 COMPLETE
0.000 > SET-PARAMS 2   Vendor-Specific-Parameters: b="3;4"
0.000 < 2 200 COMPLETE
0.000 > GET-PARAMS 3   Vendor-Specific-Parameters:   Logging-Tag:
0.000 < 3 200 COMPLETE   Vendor-Specific-Parameters: com.example.a=1;b="3;4"   Logging-Tag: call 7
0.000 > SET-PARAMS 4   Vendor-Specific-Parameters: speech-too-early=maybe
0.000 < 4 409 COMPLETE   Vendor-Specific-Parameters: speech-too-early=maybe
"#,
    );
}

#[test]
fn a_context_block_carries_the_parameters() {
    check(
        r#"
0.000 > SET-PARAMS 1   No-Input-Timeout: 7000   Vendor-Specific-Parameters: a=b
0.000 < 1 200 COMPLETE
0.000 > GET-PARAMS 2   Recognizer-Context-Block:
0.000 < 2 200 COMPLETE   Recognizer-Context-Block: <parameters-1@context.answerd>   Content-ID: <parameters-1@context.answerd>   Content-Type: application/octets   | No-Input-Timeout: 7000\nVendor-Specific-Parameters: a=b\n
0.000 > SET-PARAMS 3   Recognizer-Context-Block: <parameters-1@context.answerd>   Content-ID: <parameters-1@context.answerd>   Content-Type: application/octets   | No-Input-Timeout: 9000\nVendor-Specific-Parameters: a=c\n
0.000 < 3 200 COMPLETE
0.000 > GET-PARAMS 4   No-Input-Timeout:   Vendor-Specific-Parameters: a
0.000 < 4 200 COMPLETE   No-Input-Timeout: 9000   Vendor-Specific-Parameters: a=c
0.000 > SET-PARAMS 5   Recognizer-Context-Block: <other@x>   Content-ID: <other@x>   Content-Type: application/octets   | x
0.000 < 5 409 COMPLETE   Recognizer-Context-Block: <other@x>
0.000 > SET-PARAMS 6   Recognizer-Context-Block: <a@x>   Content-ID: <b@x>   Content-Type: application/octets   | x
0.000 < 6 404 COMPLETE   Recognizer-Context-Block: <a@x>   Content-ID: <b@x>
0.000 > SET-PARAMS 7   Recognizer-Context-Block: <a@x>
0.000 < 7 406 COMPLETE   Recognizer-Context-Block: <a@x>
0.000 > SET-PARAMS 8   Recognizer-Context-Block: <parameters-1@context.answerd>   Content-ID: <parameters-1@context.answerd>   Content-Type: text/plain   | x
0.000 < 8 408 COMPLETE   Content-Type: text/plain
0.000 > SET-PARAMS 9   Recognizer-Context-Block: <parameters-1@context.answerd>   Content-ID: <parameters-1@context.answerd>   Content-Type: application/octets   | nonsense
0.000 < 9 407 COMPLETE
"#,
    );
}

#[test]
fn what_only_the_server_tells() {
    check(
        r#"
0.000 > SET-PARAMS 1   Completion-Cause: 000 success
0.000 < 1 403 COMPLETE   Completion-Cause: 000 success
0.000 > GET-PARAMS 2   Waveform-URI:
0.000 < 2 403 COMPLETE   Waveform-URI:
0.000 > GET-PARAMS 3   Input-Type:   Set-Cookie2:
0.000 < 3 403 COMPLETE   Input-Type:
0.000 > GET-PARAMS 4   Set-Cookie2:   Accept-Charset:   Speech-Language:
0.000 < 4 200 COMPLETE   Set-Cookie2:    Accept-Charset:    Speech-Language:
0.000 > SET-PARAMS 5   Set-Cookie2: a=b
0.000 < 5 201 COMPLETE
0.000 > RECOGNIZE 6   Completion-Reason: "x"   | builtin:speech/boolean
0.000 < 6 201 IN-PROGRESS
0.000 ! listen 1 answer accepts=human,machine,screening,ivr
0.100 > STOP 7
0.100 ! unlisten 1
0.100 < 7 200 COMPLETE   Active-Request-Id-List: 6
0.200 > RECOGNIZE 8   Content-Base: not a uri   | builtin:speech/boolean
0.200 < 8 404 COMPLETE   Completion-Cause: 006 recognizer-error   Content-Base: not a uri
0.300 > RECOGNIZE 9   Set-Cookie: nonsense   | builtin:speech/boolean
0.300 < 9 404 COMPLETE   Completion-Cause: 006 recognizer-error   Set-Cookie: nonsense
0.400 > SET-PARAMS 10   Confidence-Threshold: 1.5
0.400 < 10 404 COMPLETE   Confidence-Threshold: 1.5
"#,
    );
}
