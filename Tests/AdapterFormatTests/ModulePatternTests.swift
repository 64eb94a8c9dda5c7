import ModelFiles
import TestSupport
import Testing

@testable import AdapterFormat

@Suite("Module patterns")
struct ModulePatternTests {
  private static let path = "model.layers.12.self_attn.q_proj"

  @Test(
    "the end of a path, as PEFT's rank_pattern",
    arguments: [
      ("q_proj", true), ("self_attn.q_proj", true), ("attn.q_proj", false), ("_proj", false),
      ("q_pro", false),
      ("model.layers.12.self_attn.q_proj", true), ("layers.12", false),
      ("^model.layers.12.self_attn.q_proj", true),
      ("^self_attn.q_proj", false), ("^model\\.layers\\.1.*", true), ("layers\\.\\d+\\..*\\.q_proj", true),
      ("layers\\.(1|12|20)\\.self_attn\\.[qk]_proj", true), ("layers\\.[0-9]\\.self_attn\\.q_proj", false),
      ("(q|v)_proj$", true), ("[^q]_proj", false), (".*", true), ("", false), ("k_proj|q_proj", true),
      ("self_attn.+", true), ("q{1}_proj", true), ("q{2,}_proj", false), ("q{,3}_proj", true),
      ("(?:q|k)_proj", true),
      ("\\w+", true), ("\\S*_proj", true), ("\\D_proj", true), ("q_proj?", true), ("q_{x}proj", false),
      ("[]q]_proj", true), ("[a-z]_proj", true), ("q.proj", true),
    ])
  func suffix(pattern: String, isMatch: Bool) throws {
    #expect(try ModulePattern(pattern, .suffix).matches(Self.path) == isMatch)
  }

  @Test(
    "the whole path, as PEFT's target_modules",
    arguments: [
      ("q_proj", false), (".*q_proj", true), (".*\\.(q|v)_proj", true), ("model\\.layers\\.\\d+\\..*", true),
      (".*self_attn", false), (".*\\.layers\\.(?:1[0-9]|2[0-7])\\.self_attn.*(q_proj|k_proj)", true),
    ])
  func whole(pattern: String, isMatch: Bool) throws {
    #expect(try ModulePattern(pattern, .whole).matches(Self.path) == isMatch)
  }

  @Test(
    "what Python's re and RE2 spell or take differently means what Python says",
    arguments: [
      ("\\d", "٣", true), ("[\\d]", "٣", true), ("\\D", "٣", false), ("\\d", "²", false),
      ("\\w+", "naïve_ß٣²", true), ("\\w", "-", false), ("\\W", "é", false), ("[^\\w]", "é", false),
      ("\\s", "\u{a0}", true), ("[\\s]", "\u{b}", true), ("\\s", "\u{1c}", true), ("\\S", "\u{2003}", false),
      (".", "é", true), (".", "\n", false), ("[^a]", "\n", true), ("^a$", "a", true), ("a$|b", "b", true),
      ("a{,2}", "aa", true), ("a{,2}", "aaa", false), ("a{,}", "aaa", true), ("a{02}", "aa", true),
      ("a{}", "a{}", true), ("a{x}", "a{x}", true), ("a{1,2,3}", "a{1,2,3}", true), ("a}", "a}", true),
      ("[[:alpha:]]", ":]", true), ("[[:alpha:]]", "b", false), ("[a&&b]", "&", true), ("]", "]", true),
      ("[]-a]", "_", true), ("[\\.-0]", "/", true), ("[a\\-z]", "m", false), ("[a\\-z]", "-", true),
      ("[a-]", "-", true), ("[^]]", "]", false), ("\\_\\é", "_é", true), ("\\.", "x", false),
      ("a|", "", true), ("()", "", true), ("(a|ab)(c|bcd)", "abcd", true), ("a*?b", "aab", true),
      ("A", "a", false),
    ])
  func semantics(pattern: String, path: String, isMatch: Bool) throws {
    #expect(try ModulePattern(pattern, .whole).matches(path) == isMatch)
  }

  @Test(
    "what is not understood is refused",
    arguments: [
      "(?=q)", "(?!q)", "(?<=q)", "(?i)q", "(?s:.)", "(?P<n>q)", "(?P=n)", "(?>q)", "(?#q)", "(q", "q)",
      "q)|(q",
      "[q", "[\\", "*q", "q**", "q*+", "q{2}{3}", "q{2,1}", "^*", "q$+", "^{2}", "[\\D]", "[\\w-x]",
      "[a-\\d]",
      "[z-a]", "q\\", "\\1", "\\0", "\\012", "\\b", "\\A", "\\z", "\\Z", "\\C", "\\n", "\\x41", "\\pL",
      "\\p{Greek}", "\\Qq\\E", "q{1001}", "q{12345678901}",
      String(repeating: "(", count: 100) + String(repeating: ")", count: 100),
      String(repeating: "q", count: 3000),
      "((((q{999}){999}){999}){999})",
    ])
  func refused(pattern: String) {
    #expect(throws: ModulePattern.Unsupported.self) { try ModulePattern(pattern, .suffix) }
  }

  @Test("a pattern that stalls backtracking matchers is answered at once")
  func hostile() throws {
    let seconds = try processorSeconds {
      let pattern = try ModulePattern("(a+)+(a|a)*(.*.*.*)*b$", .suffix)
      #expect(!pattern.matches(String(repeating: "a", count: 5000)))
    }
    #expect(seconds < 60)
  }

  @Test("repetitions within repetitions are refused at once")
  func nested() {
    let seconds = processorSeconds {
      for pattern in [
        "(((){9999}){9999}){9999}x", "(((){999}){999}){999}x", "((.{99}){99}){99}", "((|){999}){999}",
        "(((){99}){99}){99}",
        "((a?){999}){99}", "(\\w{99}){99}", "(()*){900}{2}", "((((){99}){99}|){99}|){9}",
        "(^|){999}(($|){999}){99}",
      ] {
        #expect(throws: ModulePattern.Unsupported.self) { try ModulePattern(pattern, .suffix) }
      }
    }
    #expect(seconds < 60)
  }

  @Test("all patterns of a configuration share memory and time")
  func many() {
    let seconds = processorSeconds {
      func settings(_ pattern: (Int) -> String) -> PEFTSettings {
        let patterns = (0..<6000).map { (key: pattern($0), value: JSONValue($0 % 64 + 1)) }
        return PEFTSettings(
          JSONObject([
            ("peft_type", .string("LORA")), ("target_modules", .string("all-linear")),
            ("rank_pattern", .object(JSONObject(patterns))),
          ]), file: "adapter_config.json")
      }
      let plain = settings { "model.layers.\($0).mlp.experts.7.down_proj" }
      #expect(plain.faults.isEmpty)
      #expect(plain.rank(of: "model.layers.5999.mlp.experts.7.down_proj") == 5999 % 64 + 1)
      // Each is small enough; together they are not.
      #expect(settings { "(a|b){900}i\($0)" }.faults.count == 1)
      let hostile = settings { String(repeating: ".{99}", count: 390) + "\($0)" }
      #expect(hostile.faults.count == 100)
    }
    #expect(seconds < 60)
  }

  @Test("comparing all patterns with all modules is bounded too")
  func work() {
    let seconds = processorSeconds {
      let patterns = (0..<2000).map { (key: "(a|b)*(c|d)*\($0)", value: JSONValue(1)) }
      var settings = PEFTSettings(
        JSONObject([("peft_type", .string("LORA")), ("rank_pattern", .object(JSONObject(patterns)))]),
        file: "c"
      )
      let paths = (0..<100_000).map { String(repeating: "ab", count: 400) + "\($0)" }
      settings.boundWork(paths: paths.prefix(20))
      #expect(settings.faults.isEmpty && settings.rank(of: "ab.cd7") == 1)
      settings.boundWork(paths: paths)
      #expect(settings.faults.count == 1 && settings.rank(of: paths[0]) == 8)
    }
    #expect(seconds < 60)
  }

  @Test("twenty thousand targets are looked up, not tried one by one")
  func targets() {
    let names =
      (0..<20_000).map { JSONValue.string("layers.\($0).q_proj") } + [.string("v_proj"), .string("k.x")]
    let settings = PEFTSettings(
      JSONObject([("peft_type", .string("LORA")), ("target_modules", .array(Array(names.suffix(19_999))))]),
      file: "c")
    let seconds = processorSeconds {
      for i in 0..<20_000 { _ = settings.isTarget("model.layers.\(i).o_proj") }
    }
    #expect(seconds < 10)
    for (path, isTarget) in [
      ("v_proj", true), ("a.v_proj", true), ("av_proj", false), ("a.k.x", true), ("x", false),
      ("model.layers.19999.q_proj", true), ("q_proj", false), ("", false),
    ] { #expect(settings.isTarget(path) == isTarget, "\(path)") }
  }
}
