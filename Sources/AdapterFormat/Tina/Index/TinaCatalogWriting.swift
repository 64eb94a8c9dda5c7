import ModelFiles

extension TinaCatalog {
  /// The catalog's bytes (spec §7).
  var bytes: [UInt8] {
    var out = ByteBuilder()
    out.integer(UInt32(layers.count))
    out.integer(UInt32(entries.count))
    out.integer(UInt32(tensors.count))
    out.integer(UInt32(blocks.count))
    out.integer(seed)
    out.zeros(8)
    out.bytes += contentDigest.bytes
    out.bytes += parent.bytes
    out.zeros(16)
    for layer in layers {
      out.integer(UInt64(layer.end))
      out.integer(UInt32(layer.bits))
      out.float(layer.worstError)
      out.float(layer.totalError)
      out.zeros(4)
    }
    for entry in entries { Self.append(entry, to: &out) }
    for tensor in tensors {
      out.integer(tensor.elementType.tinaCode)
      out.integer(UInt8(tensor.shape.count))
      out.zeros(2)
      out.integer(UInt32(tensor.block))
      for size in tensor.shape { out.integer(UInt64(size)) }
    }
    for block in blocks {
      out.integer(block.form.rawValue)
      out.integer(block.elementType?.tinaCode ?? 0)
      out.integer(UInt8(block.isPlain ? 0 : 1))
      out.integer(block.predictor.rawValue)
      out.integer(UInt8(block.streams.count))
      out.zeros(3)
      out.integer(UInt32(block.refines))
      out.bytes += block.digest
      for stream in block.streams {
        out.integer(stream.codec.rawValue)
        out.integer(UInt64(stream.length))
      }
    }
    return out.bytes
  }

  private static func append(_ entry: Entry, to out: inout ByteBuilder) {
    let names = [entry.module, entry.path, entry.parameter].map { Array($0.utf8) }
    let attributes = entry.attributes.map { Array(JSONValue.object($0).text().utf8) } ?? []
    out.integer(entry.kind.rawValue)
    out.integer(entry.origin)
    out.integer(UInt8(entry.alpha == nil ? 0 : 1))
    out.integer(UInt8(entry.tensors.count))
    out.float(entry.scale)
    out.integer((entry.alpha ?? 0).bitPattern)
    for name in names { out.integer(UInt16(name.count)) }
    out.zeros(2)
    out.integer(UInt32(attributes.count))
    for error in entry.errors { out.float(error) }
    for name in names { out.bytes += name }
    out.bytes += attributes
  }

  /// Gives the blocks their places, and the layers their ends.
  ///
  /// - Parameter indexLength: bytes before the first block. The compressed catalog may change its own length a little
  ///   with the ends that it states: the caller repeats this until nothing moves.
  mutating func place(indexLength: Int) {
    var offset = indexLength
    for number in blocks.indices {
      if blocks[number].isInPlace { offset = (offset + 63) / 64 * 64 }
      let start = offset
      offset += blocks[number].streams.reduce(0) { $0 + $1.length }
      blocks[number].range = start..<offset
      for layer in blocks[number].layer..<layers.count { layers[layer].end = offset }
    }
    if blocks.isEmpty { for layer in layers.indices { layers[layer].end = indexLength } }
  }
}
