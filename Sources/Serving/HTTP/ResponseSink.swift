/// Takes an answer to the client. Each call waits until the bytes are on their way, and throws ``ClientLeft`` where the
/// client is gone or too slow.
package protocol ResponseSink: Sendable {
  /// A whole answer at once.
  func whole(_ status: Int, _ headers: [(String, String)], _ body: [UInt8]) async throws
  /// Status and headers of an answer that comes in pieces.
  func begin(_ status: Int, _ headers: [(String, String)]) async throws
  /// A piece.
  func piece(_ bytes: [UInt8]) async throws
  /// The last piece, and the end.
  func end(_ bytes: [UInt8]) async throws
}
