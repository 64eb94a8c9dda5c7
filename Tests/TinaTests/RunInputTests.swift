import Foundation
import TestSupport
import Testing

/// What `tina run` makes of the words it is given.
@Suite(.needsPico)
struct RunInputTests {
  private let greedy = ["--greedy", "--json", "--max-tokens", "8"]

  @Test(arguments: ["DeepSeek-R1-Distill-Qwen-1.5B", "llama3.2:1b", "model.gguf", "qwen2.5", "Qwen"])
  func aNameOfNoModelIsNoPrompt(_ name: String) throws {
    let result = try Program.run(["run", name], in: Checkout.path("docs"))
    #expect(result.status == 1 && result.output.isEmpty)
    #expect(result.errors.contains("no such folder, file or name on the hub"))
    #expect(result.errors.contains("ORG/NAME"))
  }

  @Test(arguments: ["Hello", "well-known", "2+3", "x^2-1=0", "Why?", "f-1", "3.14", "a b-c1"])
  func otherWordsArePrompts(_ prompt: String) throws {
    let result = try Program.run(["run"] + greedy + [prompt], in: Checkout.path("docs"))
    #expect(result.status == 0)
  }

  @Test func picoSaysThatItAnswers() throws {
    let unnamed = try Program.run(["run"] + greedy + ["What is 2 + 2?"], in: Checkout.path("docs"))
    #expect(unnamed.errors.contains("No model is named, so Pico answers"))
    let named = try Program.run(["run", pico] + greedy + ["What is 2 + 2?"])
    #expect(!named.errors.contains("Pico answers"))
  }

  @Test func pipedInputComesBehindThePrompt() throws {
    let both = try Program.run(["run", pico] + greedy + ["What is"], input: "2 + 2?\n").object()
    let one = try Program.run(["run", pico] + greedy + ["What is\n\n2 + 2?"]).object()
    #expect(both["ids"] as? [Int] == one["ids"] as? [Int])
    #expect(both["prompt_tokens"] as? Int == one["prompt_tokens"] as? Int)
    let raw = try Program.run(["run", pico, "--raw"] + greedy + ["1 + "], input: "1 =").object()
    let whole = try Program.run(["run", pico, "--raw"] + greedy + ["1 + 1 ="]).object()
    #expect(raw["prompt_tokens"] as? Int == whole["prompt_tokens"] as? Int)
  }

  @Test func aPipeThatStaysOpenIsTold() throws {
    let result = try Program.shell(
      "(sleep 2; echo '2 + 2?') | \"$TINA\" run '\(pico)' --greedy --max-tokens 4 'What is'")
    #expect(result.status == 0 && result.errors.contains("Waiting for standard input"))
  }
}
