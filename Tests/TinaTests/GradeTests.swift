import TestSupport
import Testing

@Suite struct GradeTests {
  @Test func exitCodesTellTheVerdict() throws {
    let equal = try Program.run(["grade", "1/2", "The answer is $\\boxed{0.5}$."])
    #expect(equal.status == 0 && equal.output == "equal\n")
    let different = try Program.run(["grade", "--explain", "1/2", "0.6"])
    #expect(different.status == 1 && different.output.hasPrefix("different\nanswer: 0.6\nwhy:    "))
    let undecided = try Program.run(["grade", "--json", "1", "100000000!"])
    #expect(undecided.status == 2)
    #expect(undecided.output.hasPrefix("{\"equal\": null, \"extracted\": \"100000000!\", \"why\": \""))
    #expect(try Program.run(["grade", "--", "-3", "-\\sqrt{9}"]).status == 0)
  }

  @Test func linesAreGradedInOrder() throws {
    let result = try Program.run(
      ["grade", "-"],
      input: """
        {"gold": "42", "prediction": "#### 42"}
        {"gold": "42"}
        {"gold": "42", "prediction": "43"}

        """)
    let lines = try result.objects()
    #expect(result.status == 1 && lines.count == 3)
    #expect(lines[0]["equal"] as? Bool == true && lines[0]["extracted"] as? String == "42")
    #expect(
      (lines[1]["error"] as? String)?.contains("\"prediction\"") == true && lines[1]["line"] as? Int == 2)
    #expect(lines[2]["equal"] as? Bool == false && lines[2]["why"] is String)
  }
}
