# Deploying: included by the Makefile, and by the small ones in deploy/ that `sam build` calls.
deploy_root := $(dir $(abspath $(lastword $(MAKEFILE_LIST))))
MILKRUN_TOOLS ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/milkrun
# The machine's own kind, unless a caller says otherwise.
ARCHITECTURE ?= $(patsubst aarch64,arm64,$(shell uname -m))

.PHONY: build build-MilkrunFunction template-lint demo-aws

# Named by SAM: it calls this with ARTIFACTS_DIR, the folder that becomes the deployment package.
build-MilkrunFunction:
	@"$(deploy_root)scripts/package.sh" "$(ARCHITECTURE)" "$(ARTIFACTS_DIR)"

build: ## Build what `sam deploy` uploads, with sam, into .aws-sam/build
	@scripts/setup-sam.sh
	SAM_CLI_TELEMETRY=0 "$(MILKRUN_TOOLS)/sam/bin/sam" build --parameter-overrides Architecture=$(ARCHITECTURE)

template-lint: ## Check template.yaml with sam and cfn-lint
	@scripts/setup-sam.sh
	SAM_CLI_TELEMETRY=0 "$(MILKRUN_TOOLS)/sam/bin/sam" validate --lint --region us-east-1
	"$(MILKRUN_TOOLS)/cfn-lint/bin/cfn-lint" template.yaml

demo-aws: setup ## See it deployed and woken by its schedule, on a local AWS. Needs neither an account nor Docker
	@scripts/demo-aws.sh
