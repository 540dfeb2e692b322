ci: ## what CI runs
	cargo test
