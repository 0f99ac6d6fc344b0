//! DTMF input, page by page: RFC 6787 sections 9.4.17 to 9.4.19, 9.4.31 to 9.4.33 and 9.9.

use crate::session::Config;
use crate::session::mrcp::tests::page::{check, check_on, check_with};
use crate::wire::mrcp::Resource;

#[test]
fn keys_that_match_and_can_not_go_on() {
    check(
        r#"
0.000 > DEFINE-GRAMMAR 1   Content-ID: pin   Content-Type: application/srgs+xml   | <grammar mode="dtmf" root="r" tag-format="semantics/1.0"><rule id="r"><item repeat="4"><ruleref uri='#d'/></item><tag>out = "pin " + rules.latest();</tag></rule><rule id="d"><one-of><item>1</item><item>2</item><item>3</item><item>4</item></one-of></rule></grammar>
0.000 < 1 200 COMPLETE   Completion-Cause: 000 success
0.000 > RECOGNIZE 2   | session:pin
0.000 < 2 200 IN-PROGRESS
0.000 ! listen 1 answer speech=false
1.000 * key 1
1.000 ! unlisten 1
1.000 < START-OF-INPUT 2 IN-PROGRESS   Input-Type: dtmf   Proxy-Sync-Id: f00d-1
1.200 * key 2
1.400 * key 3
1.600 * key 4
1.600 < RECOGNITION-COMPLETE 2 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "keys 1234"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="session:pin"><interpretation confidence="1.00"><instance>pin 4</instance><input mode="dtmf" confidence="1.00">1 2 3 4</input></interpretation></result>
2.000 > GET-RESULT 3   N-Best-List-Length: 2
2.000 < 3 200 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "keys 1234"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="session:pin"><interpretation confidence="1.00"><instance>pin 4</instance><input mode="dtmf" confidence="1.00">1 2 3 4</input></interpretation></result>
3.000 > RECOGNIZE 4   DTMF-Term-Char: #   DTMF-Term-Timeout: 1500   | session:pin
3.000 < 4 200 IN-PROGRESS
3.000 ! listen 2 answer speech=false
3.000 * key 1234
3.000 ! unlisten 2
3.000 < START-OF-INPUT 4 IN-PROGRESS   Input-Type: dtmf   Proxy-Sync-Id: f00d-2
4.500 < RECOGNITION-COMPLETE 4 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "keys 1234"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="session:pin"><interpretation confidence="1.00"><instance>pin 4</instance><input mode="dtmf" confidence="1.00">1 2 3 4</input></interpretation></result>
5.000 > RECOGNIZE 5   DTMF-Term-Char: #   DTMF-Term-Timeout: 1500   Vendor-Specific-Parameters: result-format=json   | session:pin
5.000 < 5 200 IN-PROGRESS
5.000 ! listen 3 answer speech=false
5.000 * key 1234
5.000 ! unlisten 3
5.000 < START-OF-INPUT 5 IN-PROGRESS   Input-Type: dtmf   Proxy-Sync-Id: f00d-3
5.500 * key #
5.500 < RECOGNITION-COMPLETE 5 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "keys 1234"   Content-Type: application/json   | {"value":"pin 4","mode":"dtmf","input":"1 2 3 4","confidence":1.0,"grammar":"session:pin"}
"#,
    );
}

#[test]
fn keys_that_match_and_can_go_on() {
    check(
        r#"
0.000 > DEFINE-GRAMMAR 1   Content-ID: digits   Content-Type: application/srgs+xml   | <grammar mode="dtmf" root="r"><rule id="r"><item repeat="1-"><one-of><item>1</item><item>2</item></one-of></item></rule></grammar>
0.000 < 1 200 COMPLETE   Completion-Cause: 000 success
0.000 > RECOGNIZE 2   DTMF-Interdigit-Timeout: 2000   | session:digits
0.000 < 2 200 IN-PROGRESS
0.000 ! listen 1 answer speech=false
1.000 * key 1
1.000 ! unlisten 1
1.000 < START-OF-INPUT 2 IN-PROGRESS   Input-Type: dtmf   Proxy-Sync-Id: f00d-1
2.000 * key 2
4.000 < RECOGNITION-COMPLETE 2 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "keys 12"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="session:digits"><interpretation confidence="1.00"><instance>12</instance><input mode="dtmf" confidence="1.00">1 2</input></interpretation></result>
4.500 > RECOGNIZE 3   DTMF-Term-Char: #   | session:digits
4.500 < 3 200 IN-PROGRESS
4.500 ! listen 2 answer speech=false
5.000 * key 21#
5.000 ! unlisten 2
5.000 < START-OF-INPUT 3 IN-PROGRESS   Input-Type: dtmf   Proxy-Sync-Id: f00d-2
5.000 < RECOGNITION-COMPLETE 3 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "keys 21"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="session:digits"><interpretation confidence="1.00"><instance>21</instance><input mode="dtmf" confidence="1.00">2 1</input></interpretation></result>
6.000 > RECOGNIZE 4   Recognition-Timeout: 1500   DTMF-Interdigit-Timeout: 1000   | session:digits
6.000 < 4 200 IN-PROGRESS
6.000 ! listen 3 answer speech=false recognition=1500
6.500 * key 1
6.500 ! unlisten 3
6.500 < START-OF-INPUT 4 IN-PROGRESS   Input-Type: dtmf   Proxy-Sync-Id: f00d-3
7.000 * key 2
7.500 * key 1
8.000 < RECOGNITION-COMPLETE 4 COMPLETE   Completion-Cause: 008 success-maxtime   Completion-Reason: "keys 121"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="session:digits"><interpretation confidence="1.00"><instance>121</instance><input mode="dtmf" confidence="1.00">1 2 1</input></interpretation></result>
9.000 # wait
"#,
    );
}

#[test]
fn keys_that_begin_a_match() {
    check(
        r#"
0.000 > DEFINE-GRAMMAR 1   Content-ID: menu   Content-Type: application/srgs+xml   | <grammar mode="dtmf" root="r"><rule id="r">1 2 3</rule></grammar>
0.000 < 1 200 COMPLETE   Completion-Cause: 000 success
0.000 > RECOGNIZE 2   | session:menu
0.000 < 2 200 IN-PROGRESS
0.000 ! listen 1 answer speech=false
1.000 * key 12
1.000 ! unlisten 1
1.000 < START-OF-INPUT 2 IN-PROGRESS   Input-Type: dtmf   Proxy-Sync-Id: f00d-1
6.000 < RECOGNITION-COMPLETE 2 COMPLETE   Completion-Cause: 013 partial-match   Completion-Reason: "keys 12 begin a match, and no more came"
7.000 > RECOGNIZE 3   Recognition-Timeout: 2000   | session:menu
7.000 < 3 200 IN-PROGRESS
7.000 ! listen 2 answer speech=false recognition=2000
8.000 * key 12
8.000 ! unlisten 2
8.000 < START-OF-INPUT 3 IN-PROGRESS   Input-Type: dtmf   Proxy-Sync-Id: f00d-2
10.000 < RECOGNITION-COMPLETE 3 COMPLETE   Completion-Cause: 014 partial-match-maxtime   Completion-Reason: "keys 12 begin a match, and no more came"
11.000 > RECOGNIZE 4   DTMF-Term-Char: *   | session:menu
11.000 < 4 200 IN-PROGRESS
11.000 ! listen 3 answer speech=false
12.000 * key 12*
12.000 ! unlisten 3
12.000 < START-OF-INPUT 4 IN-PROGRESS   Input-Type: dtmf   Proxy-Sync-Id: f00d-3
12.000 < RECOGNITION-COMPLETE 4 COMPLETE   Completion-Cause: 001 no-match   Completion-Reason: "keys 12 match no grammar"
"#,
    );
}

#[test]
fn keys_that_do_not_match() {
    check(
        r#"
0.000 > DEFINE-GRAMMAR 1   Content-ID: menu   Content-Type: application/srgs+xml   | <grammar mode="dtmf" root="r"><rule id="r">1</rule></grammar>
0.000 < 1 200 COMPLETE   Completion-Cause: 000 success
0.000 > RECOGNIZE 2   DTMF-Interdigit-Timeout: 1000   | session:menu
0.000 < 2 200 IN-PROGRESS
0.000 ! listen 1 answer speech=false
1.000 * key 9
1.000 ! unlisten 1
1.000 < START-OF-INPUT 2 IN-PROGRESS   Input-Type: dtmf   Proxy-Sync-Id: f00d-1
2.000 < RECOGNITION-COMPLETE 2 COMPLETE   Completion-Cause: 001 no-match   Completion-Reason: "keys 9 match no grammar"
3.000 > RECOGNIZE 3   Early-No-Match: true   | session:menu
3.000 < 3 200 IN-PROGRESS
3.000 ! listen 2 answer speech=false early-no-match=true
4.000 * key 9
4.000 ! unlisten 2
4.000 < START-OF-INPUT 3 IN-PROGRESS   Input-Type: dtmf   Proxy-Sync-Id: f00d-2
4.000 < RECOGNITION-COMPLETE 3 COMPLETE   Completion-Cause: 001 no-match   Completion-Reason: "keys 9 match no grammar"
5.000 > RECOGNIZE 4   Recognition-Timeout: 500   | session:menu
5.000 < 4 200 IN-PROGRESS
5.000 ! listen 3 answer speech=false recognition=500
6.000 * key 9
6.000 ! unlisten 3
6.000 < START-OF-INPUT 4 IN-PROGRESS   Input-Type: dtmf   Proxy-Sync-Id: f00d-3
6.500 < RECOGNITION-COMPLETE 4 COMPLETE   Completion-Cause: 015 no-match-maxtime   Completion-Reason: "keys 9 match no grammar"
7.000 # wait
"#,
    );
}

#[test]
fn no_key_comes() {
    check(
        r#"
0.000 > RECOGNIZE 1   No-Input-Timeout: 3000   Content-Type: application/srgs+xml   | <grammar mode="dtmf" root="r"><rule id="r">1</rule></grammar>
0.000 < 1 200 IN-PROGRESS
0.000 ! listen 1 answer speech=false no-input=3000
3.000 * 1 no-input
3.000 < RECOGNITION-COMPLETE 1 COMPLETE   Completion-Cause: 002 no-input-timeout   Completion-Reason: "told"
"#,
    );
}

#[test]
fn the_first_input_decides() {
    check(
        r#"
0.000 > DEFINE-GRAMMAR 1   Content-ID: keys   Content-Type: application/srgs+xml   | <grammar mode="dtmf" root="r"><rule id="r">1 2</rule></grammar>
0.000 < 1 200 COMPLETE   Completion-Cause: 000 success
0.000 > RECOGNIZE 2   | builtin:speech/answer\nsession:keys
0.000 < 2 200 IN-PROGRESS
0.000 ! listen 1 answer
1.000 * key 1
1.000 ! unlisten 1
1.000 < START-OF-INPUT 2 IN-PROGRESS   Input-Type: dtmf   Proxy-Sync-Id: f00d-1
1.100 * 1 started dtmf
1.500 * 1 decided human 0.9
2.000 * key 2
2.000 < RECOGNITION-COMPLETE 2 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "keys 12"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="session:keys"><interpretation confidence="1.00"><instance>12</instance><input mode="dtmf" confidence="1.00">1 2</input></interpretation></result>
3.000 > RECOGNIZE 3   | builtin:speech/answer\nsession:keys
3.000 < 3 200 IN-PROGRESS
3.000 ! listen 2 answer
4.000 * 2 started speech
4.000 < START-OF-INPUT 3 IN-PROGRESS   Input-Type: speech   Proxy-Sync-Id: f00d-2
5.000 * key 1
5.000 * key 2
6.000 * 2 decided human 0.9
6.000 < RECOGNITION-COMPLETE 3 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "told"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="builtin:speech/answer"><interpretation confidence="0.90"><instance>human<answer xmlns="urn:answerd:result"><label>human</label><confidence>0.90</confidence><reason>told</reason><method>rules</method><decided_at_s>6</decided_at_s></answer></instance><input mode="speech" confidence="0.90">human</input></interpretation></result>
7.000 > RECOGNIZE 4   | builtin:speech/boolean\nsession:keys
7.000 < 4 200 IN-PROGRESS
7.000 ! listen 3 answer accepts=human,machine,screening,ivr
8.000 * 3 started speech
8.000 < START-OF-INPUT 4 IN-PROGRESS   Input-Type: speech   Proxy-Sync-Id: f00d-3
8.050 * key 1
8.050 ! unlisten 3
8.200 * key 2
8.200 < RECOGNITION-COMPLETE 4 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "keys 12"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="session:keys"><interpretation confidence="1.00"><instance>12</instance><input mode="dtmf" confidence="1.00">1 2</input></interpretation></result>
9.000 > RECOGNIZE 5   | builtin:speech/boolean
9.000 < 5 200 IN-PROGRESS
9.000 ! listen 4 answer accepts=human,machine,screening,ivr
9.100 * key 1
9.100 * 4 started dtmf
9.100 < START-OF-INPUT 5 IN-PROGRESS   Input-Type: dtmf   Proxy-Sync-Id: f00d-4
9.900 * 4 decided human 0.9
9.900 < RECOGNITION-COMPLETE 5 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "told"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="builtin:speech/boolean"><interpretation confidence="0.90"><instance>false</instance><input mode="speech" confidence="0.90">human</input></interpretation></result>
"#,
    );
}

#[test]
fn keys_ahead_of_their_request() {
    check(
        r#"
0.000 > DEFINE-GRAMMAR 1   Content-ID: keys   Content-Type: application/srgs+xml   | <grammar mode="dtmf" root="r"><rule id="r">1 2</rule></grammar>
0.000 < 1 200 COMPLETE   Completion-Cause: 000 success
1.000 * key 121
2.000 > RECOGNIZE 2   | session:keys
2.000 < 2 200 IN-PROGRESS
2.000 < START-OF-INPUT 2 IN-PROGRESS   Input-Type: dtmf   Proxy-Sync-Id: f00d-1
2.000 < RECOGNITION-COMPLETE 2 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "keys 12"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="session:keys"><interpretation confidence="1.00"><instance>12</instance><input mode="dtmf" confidence="1.00">1 2</input></interpretation></result>
3.000 > RECOGNIZE 3   | session:keys
3.000 < 3 200 IN-PROGRESS
3.000 < START-OF-INPUT 3 IN-PROGRESS   Input-Type: dtmf   Proxy-Sync-Id: f00d-2
4.000 * key 2
4.000 < RECOGNITION-COMPLETE 3 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "keys 12"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="session:keys"><interpretation confidence="1.00"><instance>12</instance><input mode="dtmf" confidence="1.00">1 2</input></interpretation></result>
5.000 * key 1
6.000 > RECOGNIZE 4   Clear-DTMF-Buffer: true   | session:keys
6.000 < 4 200 IN-PROGRESS
6.000 ! listen 3 answer speech=false
7.000 > STOP 5
7.000 ! unlisten 3
7.000 < 5 200 COMPLETE   Active-Request-Id-List: 4
7.000 * key 1
8.000 > RECOGNIZE 6   New-Audio-Channel: true   | session:keys
8.000 < 6 200 IN-PROGRESS
8.000 ! listen 4 answer speech=false
8.000 > STOP 7
8.000 ! unlisten 4
8.000 < 7 200 COMPLETE   Active-Request-Id-List: 6
9.000 > SET-PARAMS 8   DTMF-Buffer-Time: 500
9.000 < 8 200 COMPLETE
9.000 * key 1
10.000 > RECOGNIZE 9   | session:keys
10.000 < 9 200 IN-PROGRESS
10.000 ! listen 5 answer speech=false
10.100 > STOP 10
10.100 ! unlisten 5
10.100 < 10 200 COMPLETE   Active-Request-Id-List: 9
10.200 * key 12
10.300 > RECOGNIZE 11   | builtin:speech/answer
10.300 < 11 200 IN-PROGRESS
10.300 ! listen 6 answer
10.400 > RECOGNIZE 12   | session:keys
10.400 < 12 200 PENDING
10.500 * 6 decided human 0.9
10.500 < RECOGNITION-COMPLETE 11 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "told"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="builtin:speech/answer"><interpretation confidence="0.90"><instance>human<answer xmlns="urn:answerd:result"><label>human</label><confidence>0.90</confidence><reason>told</reason><method>rules</method><decided_at_s>10.5</decided_at_s></answer></instance><input mode="speech" confidence="0.90">human</input></interpretation></result>
10.500 < START-OF-INPUT 12 IN-PROGRESS   Input-Type: dtmf   Proxy-Sync-Id: f00d-7
10.500 < RECOGNITION-COMPLETE 12 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "keys 12"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="session:keys"><interpretation confidence="1.00"><instance>12</instance><input mode="dtmf" confidence="1.00">1 2</input></interpretation></result>
"#,
    );
}

#[test]
fn a_key_after_a_whole_match_is_for_the_next_request() {
    check(
        r#"
0.000 > DEFINE-GRAMMAR 1   Content-ID: one   Content-Type: application/srgs+xml   | <grammar mode="dtmf" root="r"><rule id="r">1</rule></grammar>
0.000 < 1 200 COMPLETE   Completion-Cause: 000 success
0.000 > RECOGNIZE 2   DTMF-Term-Char: #   | session:one
0.000 < 2 200 IN-PROGRESS
0.000 ! listen 1 answer speech=false
1.000 * key 11
1.000 ! unlisten 1
1.000 < START-OF-INPUT 2 IN-PROGRESS   Input-Type: dtmf   Proxy-Sync-Id: f00d-1
1.000 < RECOGNITION-COMPLETE 2 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "keys 1"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="session:one"><interpretation confidence="1.00"><instance>1</instance><input mode="dtmf" confidence="1.00">1</input></interpretation></result>
2.000 > RECOGNIZE 3   | session:one
2.000 < 3 200 IN-PROGRESS
2.000 < START-OF-INPUT 3 IN-PROGRESS   Input-Type: dtmf   Proxy-Sync-Id: f00d-2
2.000 < RECOGNITION-COMPLETE 3 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "keys 1"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="session:one"><interpretation confidence="1.00"><instance>1</instance><input mode="dtmf" confidence="1.00">1</input></interpretation></result>
"#,
    );
}

#[test]
fn hotword_mode_with_keys() {
    check(
        r#"
0.000 > DEFINE-GRAMMAR 1   Content-ID: star   Content-Type: application/srgs+xml   | <grammar mode="dtmf" root="r"><rule id="r">* 9</rule></grammar>
0.000 < 1 200 COMPLETE   Completion-Cause: 000 success
0.000 > RECOGNIZE 2   Recognition-Mode: hotword   | builtin:speech/beep\nsession:star
0.000 < 2 200 IN-PROGRESS
0.000 ! listen 1 beep hotword=0-60000
1.000 * key 12*
7.000 * key 9
8.000 * key *9
8.000 ! unlisten 1
8.000 < RECOGNITION-COMPLETE 2 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "keys *9"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="session:star"><interpretation confidence="1.00"><instance>*9</instance><input mode="dtmf" confidence="1.00">* 9</input></interpretation></result>
9.000 > RECOGNIZE 3   Recognition-Mode: hotword   Recognition-Timeout: 1000   | session:star
9.000 < 3 200 IN-PROGRESS
9.000 ! listen 2 answer hotword=0-60000 speech=false recognition=1000
10.000 * key *
11.000 ! unlisten 2
11.000 < RECOGNITION-COMPLETE 3 COMPLETE   Completion-Cause: 003 hotword-maxtime   Completion-Reason: "keys * match no grammar"
12.000 > RECOGNIZE 4   Recognition-Mode: hotword   | builtin:speech/beep\nsession:star
12.000 < 4 200 IN-PROGRESS
12.000 ! listen 3 beep hotword=0-60000
13.000 * key *
14.000 * 3 decided beep 0.9
14.000 < RECOGNITION-COMPLETE 4 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "told"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="builtin:speech/beep"><interpretation confidence="0.90"><instance>beep<answer xmlns="urn:answerd:result"><label>beep</label><confidence>0.90</confidence><reason>told</reason><method>rules</method><decided_at_s>14</decided_at_s></answer></instance><input mode="speech" confidence="0.90">beep</input></interpretation></result>
"#,
    );
}

#[test]
fn a_dtmfrecog_resource_takes_keys_alone() {
    check_on(
        Resource::DtmfRecog,
        Config::default(),
        r#"
0.000 > RECOGNIZE 1   | builtin:speech/answer
0.000 < 1 407 COMPLETE   Completion-Cause: 004 grammar-load-failure   Completion-Reason: "a dtmfrecog resource takes grammars of keys alone"
0.000 > RECOGNIZE 2   Content-Type: application/srgs+xml   | <grammar mode="dtmf" root="r"><rule id="r">1</rule></grammar>
0.000 < 2 200 IN-PROGRESS
0.000 ! listen 1 answer speech=false
1.000 * key 1
1.000 ! unlisten 1
1.000 < START-OF-INPUT 2 IN-PROGRESS   Input-Type: dtmf   Proxy-Sync-Id: f00d-1
1.000 < RECOGNITION-COMPLETE 2 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "keys 1"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="inline"><interpretation confidence="1.00"><instance>1</instance><input mode="dtmf" confidence="1.00">1</input></interpretation></result>
"#,
    );
}

#[test]
fn the_defaults_of_keys_can_be_set() {
    let config = Config {
        dtmf_term_char: "#".to_owned(),
        dtmf_interdigit_timeout_ms: 1000,
        dtmf_term_timeout_ms: 500,
        dtmf_buffer_time_ms: 0,
        ..Config::default()
    };
    check_with(
        config,
        r#"
0.000 * key 1
0.000 > RECOGNIZE 1   Content-Type: application/srgs+xml   | <grammar mode="dtmf" root="r"><rule id="r">1<item repeat="0-1">2</item></rule></grammar>
0.000 < 1 200 IN-PROGRESS
0.000 ! listen 1 answer speech=false
1.000 * key 1
1.000 ! unlisten 1
1.000 < START-OF-INPUT 1 IN-PROGRESS   Input-Type: dtmf   Proxy-Sync-Id: f00d-1
2.000 < RECOGNITION-COMPLETE 1 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "keys 1"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="inline"><interpretation confidence="1.00"><instance>1</instance><input mode="dtmf" confidence="1.00">1</input></interpretation></result>
2.500 > RECOGNIZE 2   Content-Type: application/srgs+xml   | <grammar mode="dtmf" root="r"><rule id="r">1<item repeat="0-1">2</item></rule></grammar>
2.500 < 2 200 IN-PROGRESS
2.500 ! listen 2 answer speech=false
3.000 * key 12
3.000 ! unlisten 2
3.000 < START-OF-INPUT 2 IN-PROGRESS   Input-Type: dtmf   Proxy-Sync-Id: f00d-2
3.500 < RECOGNITION-COMPLETE 2 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "keys 12"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="inline"><interpretation confidence="1.00"><instance>12</instance><input mode="dtmf" confidence="1.00">1 2</input></interpretation></result>
4.000 > RECOGNIZE 3   Content-Type: application/srgs+xml   | <grammar mode="dtmf" root="r"><rule id="r">1<item repeat="0-1">2</item></rule></grammar>
4.000 < 3 200 IN-PROGRESS
4.000 ! listen 3 answer speech=false
5.000 * key 1#
5.000 ! unlisten 3
5.000 < START-OF-INPUT 3 IN-PROGRESS   Input-Type: dtmf   Proxy-Sync-Id: f00d-3
5.000 < RECOGNITION-COMPLETE 3 COMPLETE   Completion-Cause: 000 success   Completion-Reason: "keys 1"   Content-Type: application/nlsml+xml   | <?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="inline"><interpretation confidence="1.00"><instance>1</instance><input mode="dtmf" confidence="1.00">1</input></interpretation></result>
"#,
    );
}
