/// Sums, products and multiples of matrices, entry by entry.
enum Matrices {
  /// The value of a sum or product of matrices; nil without matrices, or when their sizes do not fit.
  static func fold(_ e: Expression, _ budget: Budget) throws -> Expression? {
    switch e {
    case .sum(let items):
      guard case .matrix(var sum) = items[0] else { return nil }
      for item in items.dropFirst() {
        guard case .matrix(let rows) = item, rows.count == sum.count, rows[0].count == sum[0].count else {
          return nil
        }
        for r in rows.indices {
          for c in rows[r].indices {
            try budget.spend()
            sum[r][c] = .sum([sum[r][c], rows[r][c]])
          }
        }
      }
      return .matrix(sum)
    case .product(let items):
      guard items.contains(where: { if case .matrix = $0 { true } else { false } }) else { return nil }
      var scalars: [Expression] = []
      var product: [[Expression]]?
      for item in items {
        if case .matrix(let rows) = item {
          if let left = product {
            guard let multiplied = try multiply(left, rows, budget) else { return nil }
            product = multiplied
          } else {
            product = rows
          }
        } else if item.isScalar {
          scalars.append(item)
        } else {
          return nil
        }
      }
      guard let product else { return nil }
      if scalars.isEmpty { return .matrix(product) }
      return .matrix(product.map { $0.map { .product(scalars + [$0]) } })
    default: return nil
    }
  }

  private static func multiply(_ a: [[Expression]], _ b: [[Expression]], _ budget: Budget) throws
    -> [[Expression]]?
  {
    guard let inner = a.first?.count, inner == b.count, let width = b.first?.count else { return nil }
    return try a.map { row in
      try (0..<width).map { column in
        try budget.spend(inner)
        return .sum((0..<inner).map { .product([row[$0], b[$0][column]]) })
      }
    }
  }
}
