import ArgumentParser
import Hub
import ModelFiles
import Tokenization

struct Tokenize: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Turns texts into token ids, and back.",
    usage: "tina tokenize [<model>] <file> [<options>]",
    discussion: """
      Each line {"text"} gives {"ids", "text"}: the token ids, with the special tokens that the tokenizer \
      adds unless --no-special is given or the text begins with them, and the text that these ids decode to. \
      A line {"ids"} is decoded. \
      The model may also be a tokenizer.json; no weights are read.

      A line that fails gives {"line", "error"}; the others are done, and the exit code is 1.

      EXAMPLES:
        echo '{"text": "What is 12 + 3?"}' | tina tokenize -
        tina tokenize ~/models/DeepSeek-R1-Distill-Qwen-1.5B texts.jsonl > ids.jsonl
        echo '{"ids": [12, 7, 9]}' | tina tokenize ~/models/story/tokenizer.json -
      """)

  @OptionGroup var input: ModelAndFile

  @Flag(help: "Add no special tokens, such as the one that begins a text.")
  var noSpecial = false

  func run() async throws {
    let lines = try input.lines()
    let path = try ModelLocator.path(input.model, want: .description)
    let tokenizer = try path.hasSuffix(".json") ? Tokenizer(path: path) : Tokenizer(directory: path)
    try await lines.forEachLine { line in
      let ids: [Int]
      if let given = try line.read("ids", expected: "a list of token ids", { Self.ids($0.array) }) {
        if line.has("text") { throw line.wrong("ids", "both \"ids\" and \"text\"", "one of them") }
        for id in given where !tokenizer.isKnown(id) {
          throw line.wrong("ids", "the id \(id)", "ids of the tokenizer, all below \(tokenizer.idCount)")
        }
        ids = given
      } else {
        ids = tokenizer.encode(try line.text("text"), addSpecialTokens: !noSpecial)
      }
      return .record(["ids": .ids(ids), "text": .string(tokenizer.decode(ids))])
    }
  }

  private static func ids(_ values: [JSONValue]?) -> [Int]? {
    guard let values else { return nil }
    let ids = values.compactMap(\.int)
    return ids.count == values.count ? ids : nil
  }
}
