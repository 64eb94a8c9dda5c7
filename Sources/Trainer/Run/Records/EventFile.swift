import Foundation
import ModelFiles
import Support

/// Scalars for TensorBoard: protocol buffers, each framed by its length and masked CRC-32C checksums.
struct EventFile {
  let path: String

  /// Begins a file for the steps from `step` on.
  init(folder: String, step: Int, time: Double) throws(TrainerError) {
    path = folder + "/events.out.tfevents.\(Int(time)).tina.\(step)"
    var event = Protobuf()
    event.double(1, time)
    event.bytes(3, Array("brain.Event:2".utf8))
    try append(Self.record(event.data))
  }

  func write(_ values: [(String, Double)], step: Int, time: Double) throws(TrainerError) {
    var summary = Protobuf()
    for (tag, value) in values {
      var item = Protobuf()
      item.bytes(1, Array(tag.utf8))
      item.float(2, Float(value))
      summary.bytes(1, item.data)
    }
    var event = Protobuf()
    event.double(1, time)
    event.integer(2, UInt64(step))
    event.bytes(5, summary.data)
    try append(Self.record(event.data))
  }

  private func append(_ bytes: [UInt8]) throws(TrainerError) { try AppendingFile.append(bytes, to: path) }

  static func record(_ data: [UInt8]) -> [UInt8] {
    let length = littleEndian(UInt64(data.count))
    return length + masked(length) + data + masked(data)
  }

  private static func masked(_ bytes: [UInt8]) -> [UInt8] {
    let crc = checksum(bytes)
    return littleEndian((crc >> 15 | crc << 17) &+ 0xA282_EAD8)
  }

  /// CRC-32C (Castagnoli).
  static func checksum(_ bytes: [UInt8]) -> UInt32 {
    var crc: UInt32 = 0xFFFF_FFFF
    for byte in bytes {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0x82F6_3B78 : crc >> 1 }
    }
    return ~crc
  }
}

private func littleEndian<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
  (0..<T.bitWidth / 8).map { UInt8(truncatingIfNeeded: value >> (8 * T($0))) }
}

/// Writes the four kinds of protocol buffer fields that an event needs.
private struct Protobuf {
  var data: [UInt8] = []

  private mutating func varint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      data.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    data.append(UInt8(rest))
  }

  mutating func integer(_ field: UInt64, _ value: UInt64) {
    varint(field << 3)
    varint(value)
  }

  mutating func double(_ field: UInt64, _ value: Double) {
    varint(field << 3 | 1)
    data += littleEndian(value.bitPattern)
  }

  mutating func float(_ field: UInt64, _ value: Float) {
    varint(field << 3 | 5)
    data += littleEndian(value.bitPattern)
  }

  mutating func bytes(_ field: UInt64, _ value: [UInt8]) {
    varint(field << 3 | 2)
    varint(UInt64(value.count))
    data += value
  }
}

/// Appends to files, past interrupted and partial writes.
enum AppendingFile {
  static func append(_ bytes: [UInt8], to path: String) throws(TrainerError) {
    let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw failure(path) }
    defer { close(descriptor) }
    var done = 0
    while done < bytes.count {
      let written = unsafe bytes.withUnsafeBytes { buffer in
        unsafe Foundation.write(descriptor, buffer.baseAddress.map { unsafe $0 + done }, bytes.count - done)
      }
      if written < 0, errno == EINTR { continue }
      guard written > 0 else { throw failure(path) }
      done += written
    }
  }

  private static func failure(_ path: String) -> TrainerError {
    return TrainerError(
      .unwritable, place: path, found: systemErrorText(errno), expected: "room to write",
      advice: "Checkpoints that were saved before are whole; the run resumes from the last of them.")
  }
}
