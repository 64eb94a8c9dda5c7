import AdapterFormat
import Foundation
import ModelFiles
import TestSupport
import Testing
import Tokenization

@testable import TinaRuntime

/// Text and stop texts, on Pico's tokenizer.
@Suite(.enabled(if: FileManager.default.fileExists(atPath: pico + "/tokenizer.json")))
struct StopTextTests {
  let tokenizer: Tokenizer

  init() throws { tokenizer = try Tokenizer(directory: pico) }

  /// Feeds the text in tokens of `size` characters.
  private func run(_ text: String, stops: [String], size: Int) -> (text: String, found: String?, early: Bool)
  {
    var assembler = TextAssembler(tokenizer, stops: stops, silent: [])
    var result = ""
    var wasEarly = true
    let characters = Array(text)
    for start in stride(from: 0, to: characters.count, by: size) {
      let piece = String(characters[start..<min(start + size, characters.count)])
      for id in tokenizer.encode(piece, addSpecialTokens: false) { result += assembler.append(id) }
      // Text that was given out never becomes part of a stop text.
      for stop in stops where result.contains(stop) { wasEarly = false }
    }
    result += assembler.finish()
    return (result, assembler.found, wasEarly)
  }

  @Test(arguments: [1, 2, 3, 5, 100])
  func cutsExactly(size: Int) {
    let text = "First, 12 + 30 = 42. So é the answer is 42.\n\nNext: 7"
    let cases: [(stops: [String], expected: String, found: String?)] = [
      (["\n\n"], "First, 12 + 30 = 42. So é the answer is 42.", "\n\n"),
      (["42. Sx", "answer"], "First, 12 + 30 = 42. So é the ", "answer"),
      (["é"], "First, 12 + 30 = 42. So ", "é"),
      (["nothing of this"], text, nil),
      (["7 and more"], text, nil),
      (["First"], "", "First"),
      // The stop text that is complete first wins, though another began earlier.
      (["12 + 30 = 43", "30"], "First, 12 + ", "30"),
      // Of two that end together, the longer wins.
      (["42", "= 42"], "First, 12 + 30 ", "= 42"),
      ([], text, nil),
    ]
    for item in cases {
      let result = run(text, stops: item.stops, size: size)
      #expect(result.text == item.expected, "\(item.stops)")
      #expect(result.found == item.found)
      #expect(result.early)
    }
  }

  @Test func theEngineStopsThere() async throws {
    let model = try Model(path: pico, threads: 2)
    let engine = Engine(model: model)
    var request = GenerationRequest(
      prompt: tokenizer.encode("What is 12 + 3 * 4?"), .init(sampling: .greedy, maxTokens: 40),
      tokenizer: tokenizer)
    let whole = try await engine.generate(request).collect()
    #expect(whole.text == tokenizer.decode(whole.ids, skipSpecialTokens: true))
    let text = try #require(whole.text)
    let characters = Array(text)
    try #require(characters.count > 12)
    let stop = String(characters[8..<11])
    request.settings.stopTexts = [stop]
    let cut = try await engine.generate(request).collect()
    let place = try #require(text.range(of: stop))
    #expect(cut.text == String(text[..<place.lowerBound]))
    #expect(cut.reason == .stop && cut.stopText == stop)
    #expect(cut.ids == Array(whole.ids.prefix(cut.ids.count)) && cut.ids.count < whole.ids.count)
    #expect(tokenizer.decode(cut.ids, skipSpecialTokens: true).contains(stop), "ids tell all that was drawn")
  }
}
