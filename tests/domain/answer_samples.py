"""How real ESPs' answers are described, after their documentation."""

from domain.answer_mapping import (
    Alignment,
    AnswerItems,
    AnswerMapping,
    AnswerOutcome,
    AnswerRule,
    WaitHint,
    WaitUnit,
)

POSTMARK = AnswerMapping(
    items=AnswerItems(
        list="body",
        accepted="item.ErrorCode == `0`",
        id="item.MessageID",
        reason="item.Message",
        unlisted=AnswerOutcome.REFUSED,
    )
)
MAILJET = AnswerMapping(
    items=AnswerItems(
        list="body.Messages",
        accepted="item.Status == 'success'",
        id="item.To[0].MessageID",
        reason="item.Errors[0].ErrorMessage",
        also_statuses=(400,),
    )
)
MANDRILL = AnswerMapping(
    rules=(
        AnswerRule(
            statuses=(500,),
            when="body.name == 'Invalid_Key'",
            outcome=AnswerOutcome.PAUSE_CAMPAIGN,
        ),
    ),
    items=AnswerItems(
        list="body",
        alignment=Alignment.ADDRESS,
        address="item.email",
        accepted="contains(['sent', 'queued', 'scheduled'], item.status)",
        id='item."_id"',
        reason="item.reject_reason || item.status",
    ),
)
POSTAL = AnswerMapping(
    success="body.status == 'success'",
    items=AnswerItems(list="body.data.messages", alignment=Alignment.KEY, id="item.id"),
)
UNISENDER = AnswerMapping(
    success="body.status == 'success'",
    message_id="body.job_id",
    items=AnswerItems(
        list="body.failed_emails",
        alignment=Alignment.KEY,
        accepted="`false`",
        retry="item == 'temporary_unavailable'",
        reason="item",
    ),
)
SES_BULK = AnswerMapping(
    rules=(
        AnswerRule(
            statuses=(400,),
            when="starts_with(headers.\"x-amzn-errortype\", 'ThrottlingException')",
            outcome=AnswerOutcome.RETRY,
        ),
    ),
    items=AnswerItems(
        list="body.BulkEmailEntryResults",
        accepted="item.Status == 'SUCCESS'",
        retry="contains(['ACCOUNT_THROTTLED', 'TRANSIENT_FAILURE'], item.Status)",
        id="item.MessageId",
        reason="item.Error || item.Status",
        unlisted=AnswerOutcome.RETRY,
    ),
)
SENDGRID = AnswerMapping(
    message_id='headers."x-message-id"',
    waits=(WaitHint(at='headers."x-ratelimit-reset"', unit=WaitUnit.EPOCH),),
)
MAILGUN = AnswerMapping(
    success="body.id",
    message_id="strip(body.id, '<>')",
    waits=(WaitHint(at="body.message", unit=WaitUnit.DATE),),
)
MAILTRAP = AnswerMapping(
    success="body.success",
    items=AnswerItems(
        list="body.responses",
        accepted="item.success",
        id="item.message_ids[0]",
        reason="join('; ', item.errors)",
    ),
)
BREVO = AnswerMapping(items=AnswerItems(list="body.messageIds", id="item"))
SPARKPOST = AnswerMapping(
    rules=(AnswerRule(statuses=(420,), outcome=AnswerOutcome.RETRY),),
    message_id="body.results.id",
)
ALL = (
    *(POSTMARK, MAILJET, MANDRILL, POSTAL, UNISENDER, SES_BULK, SENDGRID),
    *(MAILGUN, MAILTRAP, BREVO, SPARKPOST),
)
