import Foundation
import TestSupport
import Testing

/// The commands end to end, on the model that ships with the project.
@Suite(.needsPico)
struct PicoTests {
  @Test func greedyRunsAgree() throws {
    let arguments = ["run", pico, "--greedy", "--json", "--max-tokens", "48", "What is 12 + 3 * 4?"]
    let first = try Program.run(arguments).object()
    let second = try Program.run(arguments + ["--threads", "1"]).object()
    let ids = try #require(first["ids"] as? [Int])
    #expect(!ids.isEmpty && ids.count <= 48)
    #expect(ids == second["ids"] as? [Int])
    #expect(first["text"] as? String == second["text"] as? String)
    #expect(["stop", "length"].contains(first["finish_reason"] as? String))
    #expect((first["tokens_per_second"] as? Double ?? 0) > 0)
  }

  @Test func picoIsTheModelUnlessOneIsNamed() throws {
    let named = try Program.run(["run", pico, "--greedy", "--json", "--max-tokens", "8", "What is 2 + 2?"])
    let found = try Program.run(
      ["run", "--greedy", "--json", "--max-tokens", "8", "What is 2 + 2?"],
      in: Checkout.path("docs"))
    #expect(try named.object()["ids"] as? [Int] == found.object()["ids"] as? [Int])
  }

  @Test func textStreamsToOutputAndSpeedToErrors() throws {
    let arguments = ["run", pico, "--greedy", "--max-tokens", "24"]
    let piped = try Program.run(arguments, input: "What is 12 + 3 * 4?\n")
    let json = try Program.run(arguments + ["--json", "What is 12 + 3 * 4?"]).object()
    #expect(piped.status == 0)
    let text = try #require(json["text"] as? String)
    #expect(piped.output == text + (text.hasSuffix("\n") ? "" : "\n"))
    #expect(piped.errors.contains("tokens, ") && piped.errors.contains("greedy"))
    #expect(!piped.output.contains("\u{1B}") && !piped.errors.contains("\u{1B}"))
  }

  @Test func aSeedFixesTheAnswer() throws {
    let arguments = [
      "run", pico, "--temperature", "1.5", "--json", "--max-tokens", "32", "What is 9 * 9 - 7?",
    ]
    let texts = try ["7", "7", "8"].map { seed in
      try Program.run(arguments + ["--seed", seed]).object()["text"] as? String
    }
    #expect(texts[0] == texts[1])
    #expect(texts[0] != texts[2])
  }

  @Test func aRandomSeedIsTold() throws {
    let first = try Program.run(["run", pico, "--temperature", "1", "--json", "--max-tokens", "16", "Go on."])
    let seed = try #require(try first.object()["seed"] as? Int)
    let second = try Program.run(
      ["run", pico, "--temperature", "1", "--json", "--max-tokens", "16", "--seed", "\(seed)", "Go on."])
    #expect(try first.object()["ids"] as? [Int] == second.object()["ids"] as? [Int])
  }

  @Test func theAdapterChangesTheAnswerAndItsScaleOfZeroDoesNot() throws {
    let adapter = pico + "/adapter"
    func logprobs(_ options: String...) throws -> [Double] {
      let line = #"{"prompt": "What is 12 + 3 * 4?", "completion": " <think>\nFirst, 3 * 4 = 12."}"#
      let result = try Program.run(["score", pico, "-"] + options, input: line)
      return try #require(result.object()["logprobs"] as? [Double])
    }
    let base = try logprobs()
    #expect(try logprobs("--adapter", adapter) != base)
    #expect(try logprobs("--adapter", adapter + "@0") == base)
  }

  @Test func aMissingAdapterIsNamed() throws {
    let result = try Program.run(["run", pico, "--adapter", "no/such/adapter", "hello"])
    #expect(result.status == 1)
    #expect(result.errors.contains("no/such/adapter"))
  }

  @Test func aPromptLongerThanTheContextIsRefused() throws {
    let longer = try Program.run(["run", pico, "--context", "1025", "What is 12 + 3 * 4?"])
    #expect(longer.status == 1)
    #expect(longer.errors.contains("--context: found 1025"))
    #expect(longer.errors.contains("at most 1024"))
    let result = try Program.run(["run", pico, "--context", "4", "What is 12 + 3 * 4?"])
    #expect(result.status == 1)
    #expect(result.errors.contains("the context holds 4"))
  }

  @Test func linesAreAnsweredInOrderAndBadOnesNamed() throws {
    let lines = """
      {"prompt": "What is 12 + 3 * 4?", "max_tokens": 5}

      {"prompt": ""}
      {"messages": [{"role": "user", "content": "What is 12 + 3 * 4?"}], "max_tokens": 5, "extra": true}
      not JSON
      {"prompt": "x", "temperature": 2}
      {"prompt": "What is 12 + 3 * 4?", "max_tokens": 3, "adapter": null}
      """
    let result = try Program.run(["run", pico, "--greedy", "--jsonl", "-"], input: lines)
    #expect(result.status == 1)
    let objects = try result.objects()
    #expect(objects.count == 6)
    let single = try Program.run([
      "run", pico, "--greedy", "--json", "--max-tokens", "5", "What is 12 + 3 * 4?",
    ])
    let ids = try #require(try single.object()["ids"] as? [Int])
    #expect(objects[0]["ids"] as? [Int] == ids)
    #expect(objects[1]["line"] as? Int == 3)
    #expect((objects[1]["error"] as? String)?.contains("the prompt is empty") == true)
    #expect(objects[2]["ids"] as? [Int] == ids)
    #expect((objects[3]["error"] as? String)?.contains("line 5") == true)
    #expect((objects[4]["error"] as? String)?.contains("temperature") == true)
    #expect(objects[5]["ids"] as? [Int] == Array(ids.prefix(3)))
    #expect(result.errors.contains("standard input, line 5"))
  }

  @Test func aLineWithItsOwnSeedIsAnsweredAsAlone() throws {
    let prompt = "What is 9 * 9 - 7?"
    let others = (0..<5).map { #"{"prompt": "Compute \#($0) + 1.", "max_tokens": 20}"# }
    let line = #"{"prompt": "\#(prompt)", "seed": 11, "max_tokens": 24}"#
    let options = ["--temperature", "1.2"]
    let batch = try Program.run(
      ["run", pico, "--jsonl", "-"] + options, input: (others + [line]).joined(separator: "\n"))
    let alone = try Program.run(
      ["run", pico, "--json", "--seed", "11", "--max-tokens", "24", prompt] + options)
    #expect(try batch.objects().last?["ids"] as? [Int] == alone.object()["ids"] as? [Int])
  }

  @Test func aRawPromptBeginsOnce() throws {
    func tokens(_ prompt: String, _ options: String...) throws -> Int? {
      let arguments = ["run", pico, "--raw", "--greedy", "--json", "--max-tokens", "1", prompt]
      return try Program.run(arguments + options).object()["prompt_tokens"] as? Int
    }
    let one = try #require(try tokens("1 + 1 ="))
    let begun = "<｜begin▁of▁sentence｜>1 + 1 ="
    #expect(try tokens(begun) == one && tokens(begun, "--no-special") == one)
    #expect(try tokens("1 + 1 =", "--no-special") == one - 1)
  }

  /// 256 KiB of combining marks in any place of a line cost no time.
  @Test func linesOfMarksAreAnsweredOrRefusedAtOnce() throws {
    let marks = String(repeating: "\u{323}\u{307}", count: 1 << 16)
    let lines = [
      #"{"prompt": "a", "\#(marks)": 1}"#, #"{"messages": [{"role": "\#(marks)", "content": "a"}]}"#,
      #"{"prompt": "a", "adapter": "\#(marks)"}"#, #"{"prompt": "\#(marks)"}"#,
    ]
    let result = try Program.run(
      ["run", pico, "--jsonl", "-", "--max-tokens", "1"], input: lines.joined(separator: "\n"),
      secondLimit: 20)
    #expect(result.status == 1 && result.output.split(separator: "\n").count == 4)
    let ids =
      try Program.run(["tokenize", pico, "-"], input: #"{"text": "\#(marks)"}"#, secondLimit: 20).object()[
        "ids"]
      as? [Int]
    #expect(ids?.count ?? 0 > 1 << 16)
  }

  @Test func scoresAreThoseOfTheSampler() throws {
    let run = try Program.run(
      ["run", pico, "--raw", "--greedy", "--json", "--max-tokens", "1", "First, 12 * 7 ="]).object()
    let ids = try #require(run["ids"] as? [Int])
    let text = try #require(run["text"] as? String)
    let lines = [text, "x"].map { completion in
      let data = try? JSONSerialization.data(withJSONObject: [
        "prompt": "First, 12 * 7 =", "completion": completion,
      ])
      return String(decoding: data ?? Data(), as: UTF8.self)
    }
    let scores = try Program.run(["score", pico, "-"], input: lines.joined(separator: "\n")).objects()
    #expect(scores[0]["ids"] as? [Int] == ids)
    let likeliest = try #require(scores[0]["logprobs"] as? [Double])
    let other = try #require(scores[1]["logprobs"] as? [Double])
    #expect(!text.isEmpty && likeliest.count == 1 && other.count == 1)
    #expect(try #require(likeliest.first) <= 0)
    #expect(try #require(other.first) < #require(likeliest.first))
  }

  @Test func tokenizeGoesThereAndBack() throws {
    let texts = ["What is 12 + 3 * 4?", "naïve 数学 🙂\n\ttabs", "\u{0} \u{7F} \u{2028}"]
    let lines = try texts.map {
      String(decoding: try JSONSerialization.data(withJSONObject: ["text": $0]), as: UTF8.self)
    }
    let forth = try Program.run(
      ["tokenize", pico, "-", "--no-special"], input: lines.joined(separator: "\n"))
    #expect(forth.status == 0)
    let objects = try forth.objects()
    #expect(objects.map { $0["text"] as? String } == texts)
    let ids = objects.map { #"{"ids": \#($0["ids"] as? [Int] ?? [])}"# }
    let back = try Program.run(
      ["tokenize", pico + "/tokenizer.json", "-"], input: ids.joined(separator: "\n"))
    #expect(try back.objects().map { $0["text"] as? String } == texts)
    let withSpecial = try Program.run(["tokenize", pico, "-"], input: lines[0]).object()
    #expect((withSpecial["ids"] as? [Int])?.count == (objects[0]["ids"] as? [Int] ?? []).count + 1)
  }
}
