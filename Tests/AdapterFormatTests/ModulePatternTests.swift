import AdapterFormat
import Testing

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
    "what is not understood is refused",
    arguments: [
      "(?=q)", "(?!q)", "(?i)q", "(q", "q)", "[q", "*q", "q**", "\\1", "\\b", "q\\", "(?P<n>q)", "[\\D]",
      String(repeating: "(", count: 100) + String(repeating: ")", count: 100),
      String(repeating: "q", count: 3000),
      "((((q{999}){999}){999}){999})",
    ])
  func refused(pattern: String) {
    #expect(throws: ModulePattern.Unsupported.self) { try ModulePattern(pattern, .suffix) }
  }

  @Test("a pattern that stalls backtracking matchers is answered at once", .timeLimit(.minutes(5)))
  func hostile() throws {
    let pattern = try ModulePattern("(a+)+(a|a)*(.*.*.*)*b$", .suffix)
    #expect(!pattern.matches(String(repeating: "a", count: 5000)))
  }
}
