import Foundation
import TestSupport
import Testing

/// What is typed by habit or by mistake is answered with what to type.
@Suite struct NearMissTests {
  @Test(arguments: [
    ("chat", "tina run"), ("generate", "tina run"), ("infer", "tina run"), ("Chat", "tina run"),
    ("server", "tina serve"), ("quantise", "tina quantize"), ("quant", "tina quantize"),
    ("benchmark", "tina eval"), ("speed", "tina bench"), ("download", "tina pull"),
    ("list", "tina pull --list"),
    ("rm", "tina pull --remove"), ("fuse", "tina merge"), ("finetune", "tina train"),
    ("show", "tina inspect"),
    ("perplexity", "tina score"), ("encode", "tina tokenize"), ("rum", "tina run"), ("srve", "tina serve"),
    ("trian", "tina train"), ("conv", "tina convert"), ("inspct", "tina inspect"),
    ("version", "tina --version"),
  ])
  func unknownCommandsAreToldWhatToType(_ word: String, _ advice: String) throws {
    for arguments in [[word], [word, "--help"], [word, "Models/pico", "--temp", "1"], ["help", word]] {
      let result = try Program.run(arguments)
      #expect(result.status == 64 && result.output.isEmpty, "\(arguments): \(result)")
      #expect(result.errors.contains(advice), "\(arguments): \(result.errors)")
    }
  }

  @Test func farWordsGetTheList() throws {
    for arguments in [["xyzzyx"], ["help", "xyzzyx"], ["help", "run", "too", "much"], ["\u{1B}[31m"]] {
      let result = try Program.run(arguments)
      if arguments.contains("run") { continue }
      #expect(result.status == 64 && result.errors.contains("run, serve, eval"), "\(result)")
    }
    #expect(try Program.run(["help", "run"]).output.contains("tina run"))
    #expect(try Program.run(["help"]).status == 0)
  }

  @Test(arguments: [
    ("run", "--temp", "--temperature"), ("run", "--top_p", "--top-p"), ("run", "--n-predict", "--max-tokens"),
    ("run", "--max-new-tokens", "--max-tokens"), ("run", "--lora", "--adapter"),
    ("run", "--ctx-size", "--context"),
    ("run", "--tempreature", "--temperature"), ("run", "--Seed", "--seed"), ("run", "--sys", "--system"),
    ("serve", "--parallel", "--max-running"), ("eval", "--task", "--benchmark"),
    ("eval", "--output", "--out"),
    ("train", "--out", "--output"), ("merge", "--type", "--dtype"), ("quantize", "--outtype", "--type"),
  ])
  func unknownOptionsAreToldTheirName(_ command: String, _ option: String, _ meant: String) throws {
    // The parser tells of missing arguments first.
    let others = [
      "train": ["r.yaml"], "merge": ["a", "b", "c"], "quantize": ["a", "b.gguf", "--type", "F16"],
    ]
    for arguments in [[command, option, "1"], [command, option + "=1"]] {
      let arguments = [arguments[0]] + (others[command] ?? []) + arguments.dropFirst()
      let result = try Program.run(arguments)
      #expect(result.status == 64)
      #expect(result.errors.contains("Did you mean '\(meant)'?"), "\(arguments): \(result.errors)")
    }
  }

  @Test func farOptionsGetNoAdvice() throws {
    let result = try Program.run(["run", "--flux-capacitor", "hello"])
    #expect(result.status == 64 && !result.errors.contains("Did you mean"), "\(result.errors)")
  }

  @Test(arguments: [
    (["run", "--temperature", "-1", "hi"], "--temperature: found -1"),
    (["run", "--top-k", "-5", "hi"], "--top-k: found -5"),
    (["run", "--top-p", "-.5", "hi"], "--top-p: found -0.5"),
    (["run", "--max-tokens", "-1", "hi"], "--max-tokens: found -1"),
    (["run", "--threads", "-2", "hi"], "--threads: found -2"),
    (["serve", "--port", "-1"], "--port: found -1"),
    (["eval", "--samples", "-1"], "--samples: found -1"),
    (["train", "x.yaml", "--stop-at", "-3"], "--stop-at: found -3"),
    (["convert", "a", "b.tina", "--max-error", "-0.1"], "--max-error: found -0.1"),
    (["run", "--temperature", "-inf", "hi"], "--temperature: found -inf"),
  ])
  func negativeNumbersAreOutOfRangeAndNotMissing(_ arguments: [String], _ text: String) throws {
    let result = try Program.run(arguments)
    #expect(result.status == 64 && result.errors.contains(text), "\(result.errors)")
    #expect(!result.errors.contains("Missing value"))
  }

  @Test func answersWithAMinusSignStayAnswers() throws {
    #expect(try Program.run(["grade", "--explain", "--", "-3", "-3"]).status == 0)
  }

  @Test func aRepeatedKeyIsNamed() throws {
    let scratch = TemporaryFolder()
    let recipe = scratch.write("r.yaml", "# secret text\nlearning_rate: 1\nseed: 1\nlearning_rate: 2\n")
    let result = try Program.run(["train", recipe])
    #expect(result.status == 1 && result.errors.contains("\"learning_rate\""), "\(result.errors)")
    #expect(result.errors.contains("line ") && !result.errors.contains("secret text"), "\(result.errors)")
  }

  @Test(.needsPico) func aPromptThatCannotFitIsRefusedCheaply() throws {
    let scratch = TemporaryFolder()
    let script = """
      ulimit -v 4000000; head -c 300000000 /dev/zero | tr '\\0' 'a' | "$TINA" run \(pico) --max-tokens 1
      """
    let result = try Program.shell(script, in: scratch.path)
    #expect(result.status == 1 && result.errors.contains("bytes; expected at most"), "\(result)")
  }
}
