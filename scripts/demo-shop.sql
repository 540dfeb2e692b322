-- The shop of `make demo-aws`: 4,000 orders, of which 1,615 are closed, each with its items, some items with discounts.
CREATE DATABASE shop CHARACTER SET utf8mb4;
USE shop;

CREATE TABLE orders (
  id BIGINT UNSIGNED NOT NULL PRIMARY KEY,
  status VARCHAR(20) NOT NULL,
  customer VARCHAR(100) NOT NULL,
  card_number VARCHAR(19) NULL,
  total DECIMAL(12, 2) NOT NULL,
  created_at DATETIME(6) NOT NULL,
  KEY (status)
) ENGINE = InnoDB;

CREATE TABLE order_items (
  id BIGINT UNSIGNED NOT NULL PRIMARY KEY,
  order_id BIGINT UNSIGNED NOT NULL,
  product VARCHAR(100) NOT NULL,
  quantity INT NOT NULL,
  price DECIMAL(12, 2) NOT NULL,
  KEY (order_id)
) ENGINE = InnoDB;

CREATE TABLE item_discounts (
  id BIGINT UNSIGNED NOT NULL PRIMARY KEY,
  item_id BIGINT UNSIGNED NOT NULL,
  code VARCHAR(20) NOT NULL,
  amount DECIMAL(12, 2) NOT NULL,
  KEY (item_id)
) ENGINE = InnoDB;

-- Closed ones are spread evenly: order n is closed where the running share of 1615 in 4000 takes a step.
INSERT INTO orders
SELECT seq,
       IF(seq * 1615 DIV 4000 > (seq - 1) * 1615 DIV 4000,
          ELT(1 + seq % 3, 'uncollected', 'cancelled', 'dispensed'),
          ELT(1 + seq % 2, 'new', 'paid')),
       CONCAT('Customer ', seq % 700, IF(seq % 7 = 0, ' Ærø "Übung" 🚚', '')),
       LPAD(seq, 16, '4'),
       seq % 500 + 0.95,
       '2024-01-01' + INTERVAL seq MINUTE
FROM seq_1_to_4000;

INSERT INTO order_items
SELECT seq, 1 + (seq - 1) % 4000, CONCAT('Product ', seq % 90), 1 + seq % 4, seq % 80 + 0.50
FROM seq_1_to_11000;

INSERT INTO item_discounts
SELECT seq, 1 + (seq * 7) % 11000, ELT(1 + seq % 3, 'welcome', 'spring', 'staff'), seq % 9 + 0.25
FROM seq_1_to_5000;
