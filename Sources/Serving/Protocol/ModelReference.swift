/// Which model a request names: the base, an adapter, or `BASE:ADAPTER@SCALE`; behind an adapter `@sha256:…`, the
/// digest of the content that it must have.
struct ModelReference: Sendable, Equatable {
  /// Nil for the base alone.
  let adapter: String?
  /// A factor on top of the adapter's own scale.
  let scale: Float
  /// The digest of the adapter's content, in hexadecimal; nil where any will do.
  let digest: String?

  /// Reads `text`; nil when it is no name of this server's base or of any adapter of it.
  ///
  /// - Parameter base: the base's name, compared byte by byte.
  init?(_ text: String, base: String) {
    let bytes = Array(text.utf8)
    let baseBytes = Array(base.utf8)
    if bytes == baseBytes {
      adapter = nil
      scale = 1
      digest = nil
      return
    }
    var rest = bytes[...]
    if rest.starts(with: baseBytes + [UInt8(ascii: ":")]) { rest = rest.dropFirst(baseBytes.count + 1) }
    var factor: Float = 1
    let mark = Array("@sha256:".utf8)
    if rest.count > mark.count + 64, rest.dropLast(64).suffix(mark.count).elementsEqual(mark) {
      let digits = rest.suffix(64)
      guard digits.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }) else {
        return nil
      }
      digest = String(decoding: digits, as: UTF8.self)
      rest = rest.dropLast(64 + mark.count)
    } else {
      digest = nil
    }
    if let at = rest.lastIndex(of: UInt8(ascii: "@")) {
      let digits = String(decoding: rest[(at + 1)...], as: UTF8.self)
      guard let value = Self.number(digits) else { return nil }
      factor = value
      rest = rest[..<at]
    }
    let name = String(decoding: rest, as: UTF8.self)
    guard Self.isAdapterName(name) else { return nil }
    adapter = name
    scale = factor
  }

  /// A plain decimal number: no hexadecimal, no infinity.
  private static func number(_ digits: String) -> Float? {
    guard digits.utf8.count <= 24,
      digits.utf8.allSatisfy({ (0x30...0x39).contains($0) || "+-.eE".utf8.contains($0) }),
      let value = Float(digits), value.isFinite
    else { return nil }
    return value
  }

  /// Letters, digits and `._/-`, at most 128: what can stand in a URL, a metric's label and a log.
  static func isAdapterName(_ name: String) -> Bool {
    (1...128).contains(name.utf8.count)
      && name.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "/"),
          UInt8(ascii: "-"):
          true
        default: false
        }
      }
  }
}
