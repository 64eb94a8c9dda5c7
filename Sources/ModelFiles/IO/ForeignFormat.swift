/// Recognises, by their first bytes, files that people often name by mistake.
public enum ForeignFormat: Sendable, Equatable {
  /// A file that git-LFS has not fetched; `size` is the real file's length in bytes, if it says so.
  case gitLFSPointer(size: Int?)
  /// A zip archive: PyTorch's `.bin` and `.pt`, numpy's `.npz`.
  case zip
  /// A Python pickle: PyTorch's `.bin` before 1.6.
  case pickle
  /// llama.cpp's format.
  case gguf
  /// A web page, often an error page saved by a download.
  case html
  /// safetensors, when something else was expected.
  case safetensors
  /// A table of values with commas, semicolons or tabs between; the columns are its first line's.
  case table(columns: [String])

  /// The format of a file that begins with these bytes, or nil.
  ///
  /// - Parameter bytes: the file's beginning; at most 1,024 bytes are read.
  public init?(_ bytes: RawSpan) {
    var head: [UInt8] = []
    for i in 0..<min(bytes.byteCount, 1024) {
      head.append(unsafe bytes.unsafeLoad(fromByteOffset: i, as: UInt8.self))
    }
    if head.starts(with: "version https://git-lfs.github.com/spec/".utf8) {
      self = .gitLFSPointer(size: Self.pointerSize(head))
    } else if head.starts(with: [0x50, 0x4b, 3, 4]) || head.starts(with: [0x50, 0x4b, 5, 6]) {
      self = .zip
    } else if head.count > 1, head[0] == 0x80, (2...5).contains(head[1]) {
      self = .pickle
    } else if head.starts(with: "GGUF".utf8) {
      self = .gguf
    } else if head.count > 8, head[4..<8].allSatisfy({ $0 == 0 }), head[8] == UInt8(ascii: "{") {
      self = .safetensors
    } else {
      let text = String(decoding: head.prefix(64), as: UTF8.self).lowercased()
      let trimmed = text.drop { $0.isWhitespace }
      if trimmed.hasPrefix("<!doctype") || trimmed.hasPrefix("<html") {
        self = .html
      } else if let columns = Self.columns(head) {
        self = .table(columns: columns)
      } else {
        return nil
      }
    }
  }

  /// The columns of a text whose first line looks like the head of a table, which JSON's never does.
  private static func columns(_ head: [UInt8]) -> [String]? {
    let text = head.starts(with: [0xEF, 0xBB, 0xBF]) ? head.dropFirst(3) : head[...]
    let line = text.prefix { $0 != 0x0A && $0 != 0x0D }
    guard line.count < text.count, let first = line.first,
      first == UInt8(ascii: "\"") || first == UInt8(ascii: "_") || (0x41...0x5A).contains(first & 0xDF),
      line.allSatisfy({ $0 >= 0x20 || $0 == 0x09 }), !line.contains(UInt8(ascii: "{")),
      let separator = [UInt8(ascii: ","), UInt8(ascii: "\t"), UInt8(ascii: ";")].first(where: line.contains)
    else { return nil }
    return line.split(separator: separator, omittingEmptySubsequences: false).prefix(8).map {
      String(decoding: $0.filter { $0 != UInt8(ascii: "\"") }, as: UTF8.self)
    }
  }

  private static func pointerSize(_ head: [UInt8]) -> Int? {
    for line in head.split(separator: UInt8(ascii: "\n")) where line.starts(with: "size ".utf8) {
      return Int(String(decoding: line.dropFirst(5), as: UTF8.self))
    }
    return nil
  }

  /// What was found, for a message; `byteCount` is the length of the file at hand.
  public func found(byteCount: Int) -> String {
    switch self {
    case .gitLFSPointer(let size):
      "a git-LFS pointer of \(byteCount) bytes"
        + (size.map { "; the real file has \($0) bytes" } ?? "")
    case .zip: "a zip archive (PyTorch's .bin or .pt, or numpy's .npz)"
    case .pickle: "a Python pickle (PyTorch's .bin or .pt)"
    case .gguf: "a GGUF file"
    case .html: "an HTML page"
    case .safetensors: "a safetensors file"
    case .table(let columns):
      "a table of values (CSV) with the columns "
        + columns.map { printable($0, limit: 40) }.joined(separator: ", ")
    }
  }

  /// What to do about it.
  public var advice: String {
    switch self {
    case .gitLFSPointer: "Run `git lfs pull` in the repository, or download the file itself."
    case .zip, .pickle: "Pickles can run code and are not read: save it again as safetensors."
    case .gguf, .safetensors: "Name the file that belongs here."
    case .table:
      "Convert it: python3 -c \"import pandas, sys; pandas.read_csv(sys.argv[1]).to_json(sys.argv[2],"
        + " orient='records', lines=True, force_ascii=False)\" IN.csv OUT.jsonl"
    case .html: "The download went wrong: download the file itself."
    }
  }
}
